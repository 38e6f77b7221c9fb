/* Where what a ping sees is shown: lines or a picture for a person, JSON for programs, as the options say. */
#ifndef ECHOC_PING_SHOW_H
#define ECHOC_PING_SHOW_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "options.h"
#include "ping_event.h"
#include "ping_measures.h"
#include "ping_screen.h"

struct ping_show {
	const struct options *options;
	const struct ping_measures *measures;
	FILE *lines;   /* for what happens; NULL: nothing is said of it */
	FILE *summary; /* NULL: none */
	struct ping_screen screen;
	bool phases_said;
	int error;         /* a negative errno: standard output cannot be written to any more */
	bool changed;      /* since the picture was drawn, */
	uint64_t drawn_ns; /* which was then */
};

/* Says how it begins. Both pointers stay the caller's. */
void ping_show_open(struct ping_show *, const struct options *, const struct ping_measures *);
/* The picture, if there is one, stays on the terminal as it is. */
void ping_show_close(struct ping_show *);

void ping_show_event(struct ping_show *, const struct ping_event *);

/* When the picture is to be drawn, given when the oldest probe in the air was sent (0: there is none). */
uint64_t ping_show_due_ns(const struct ping_show *, uint64_t in_the_air_ns);
void ping_show_draw(struct ping_show *, const struct ping_result *);

/* The summary, in words and as JSON. */
void ping_show_result(struct ping_show *, const struct ping_result *);

#endif
