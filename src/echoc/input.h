/*
 * What a person types in a talk, as lines. There are two ways: as the terminal gives it (plain.h), and edited, with
 * history and completion (edit.h). Whoever talks writes between input_hide and input_show, and the line that is being
 * typed is not spoilt.
 */
#ifndef ECHOC_INPUT_H
#define ECHOC_INPUT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "must.h"

/* Who wants the lines. */
struct input_owner {
	void *context;
	/* Waits for the terminal and whatever else; calls input_read where the terminal has something. Returns false
	 * when nothing is wanted any more. */
	bool (*wait)(void *context);
	/* Takes a pasted block, which is to be sent as it is. */
	void (*pasted)(void *context, const char *text, size_t len);
};

enum input_got {
	INPUT_LINE,    /* a line with its LF */
	INPUT_TEXT,    /* text without one, which is to be sent as it is: of a line that was too long, or did not end */
	INPUT_END,     /* Ctrl-D, or the terminal is gone */
	INPUT_STOPPED, /* wait has returned false */
};

struct input;

/* One way of typing. */
struct input_way {
	enum input_got (*next)(struct input *, const char **text, size_t *len);
	void (*read)(struct input *);
	void (*hide)(struct input *);
	void (*show)(struct input *, bool is_idle);
	void (*remember)(struct input *, const char *line, size_t len);
	void (*lend)(struct input *, bool is_lent);
	const sigset_t *(*mask)(struct input *);
	void (*close)(struct input *);
};

struct input {
	const struct input_way *way;
	struct input_owner owner;
};

/* The next of what is typed: *text is good until the next call. */
static inline enum input_got MUST_CHECK input_next(struct input *in, const char **text, size_t *len)
{
	return in->way->next(in, text, len);
}

/* Reads what the terminal has, which is readable. */
static inline void input_read(struct input *in)
{
	in->way->read(in);
}

/* What is written next begins on a line of its own; standard output is flushed. Harmless where that is so already. */
static inline void input_hide(struct input *in)
{
	in->way->hide(in);
}

/* A line may be typed. is_idle: nothing is on its way, so that what is shown now stays the last thing for a while. */
static inline void input_show(struct input *in, bool is_idle)
{
	in->way->show(in, is_idle);
}

/* A line without its LF that may be called back later. */
static inline void input_remember(struct input *in, const char *line, size_t len)
{
	in->way->remember(in, line, len);
}

/* The terminal is another's for a while, who may ask on it; and is not any more. */
static inline void input_lend(struct input *in, bool is_lent)
{
	in->way->lend(in, is_lent);
}

/* For ppoll(2) in the owner's wait. */
static inline const sigset_t *input_mask(struct input *in)
{
	return in->way->mask(in);
}

/* Gives the terminal back as it was. NULL is harmless. */
static inline void input_close(struct input *in)
{
	if (in)
		in->way->close(in);
}

#endif
