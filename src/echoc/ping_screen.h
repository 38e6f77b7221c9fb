/*
 * The picture at the bottom of a terminal: a chart and a line of figures beneath it, drawn over themselves; what is
 * printed meanwhile scrolls above. The terminal's settings stay as they are and the cursor is never hidden, so that
 * there is nothing to be put back, however the process ends. It has no colours.
 */
#ifndef ECHOC_PING_SCREEN_H
#define ECHOC_PING_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "chart.h"
#include "must.h"

#define PING_SCREEN_LINES 16 /* at most */

struct ping_screen {
	FILE *f;     /* the terminal; NULL: there is no picture */
	FILE *block; /* where it is made, to be written at once */
	char *text;
	size_t text_len;
	unsigned columns, lines;           /* of the terminal */
	unsigned drawn;                    /* lines of the picture that stand above the cursor */
	unsigned width[PING_SCREEN_LINES]; /* columns of each */
	struct chart chart;
};

/* Whether f is a terminal that can be drawn upon: TERM says nothing else. */
bool ping_screen_can(FILE *);
/* Returns 0 or a negative errno. */
int ping_screen_open(struct ping_screen *, FILE *) MUST_CHECK;
/* The picture stays where it is. Harmless where there is none. */
void ping_screen_close(struct ping_screen *);

/* Draws the picture, with status as its last line; in the background nothing, for somebody else has the terminal. */
void ping_screen_draw(struct ping_screen *, const char *status);
/* Takes the picture away, so that lines can be printed where it was. */
void ping_screen_hide(struct ping_screen *);

/* The terminal's size has changed; Enter was typed, which moves the cursor; others have written on the terminal. */
void ping_screen_resize(struct ping_screen *);
void ping_screen_enter(struct ping_screen *);
void ping_screen_forget(struct ping_screen *);

#endif
