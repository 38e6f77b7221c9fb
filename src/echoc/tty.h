/*
 * The terminal on standard input and output while a line is edited on it: what is changed for that, and given back on
 * every way out, a signal's too. Signals know no owner, so there is one of it in a process.
 */
#ifndef ECHOC_TTY_H
#define ECHOC_TTY_H

#include <signal.h>
#include <stdbool.h>

#include "must.h"

/*
 * Switches bracketed paste on, and sees to it that SIGINT, SIGTERM, SIGHUP and SIGQUIT end the process with 128 and
 * their number, and SIGTSTP stops it, with the terminal as it was. Returns 0 or a negative errno.
 */
int tty_open(void) MUST_CHECK;
void tty_close(void);

/*
 * Between these two others may ask something on the terminal: it is as it was, but that what is typed unasked is not
 * shown, and kept to the last byte.
 */
void tty_lend(void);
void tty_take_back(void);

/* What ppoll(2) is to wait with, so that a change of the terminal ends the waiting. */
const sigset_t *tty_mask(void);

/* What has happened to the terminal since this was asked last. */
struct tty_news {
	bool resized;
	bool was_away; /* something else was shown on it meanwhile */
};

struct tty_news tty_take_news(void);

#endif
