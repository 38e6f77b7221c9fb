/* What a line typed in a talk means. */
#ifndef ECHOC_TYPED_H
#define ECHOC_TYPED_H

#include <stddef.h>

enum typed_kind {
	TYPED_TEXT,      /* to be sent, from the offset that is given */
	TYPED_LEAVE,     /* exit, /exit, /quit */
	TYPED_HELP,      /* /help */
	TYPED_STATS,     /* /stats */
	TYPED_RECONNECT, /* /reconnect */
	TYPED_TRACE,     /* /trace */
	TYPED_UNKNOWN,   /* another word behind a slash: not sent */
};

/* What /help shows, in the person's language. */
const char *typed_help(void);

/* line has len bytes, its LF not among them. *from: where the text to be sent begins. */
enum typed_kind typed_read(const char *line, size_t len, size_t *from);

/*
 * The next command that begins with what is typed, len bytes; NULL when there is no more. *at is 0 at first. The
 * Russian names are among them where something of them is typed.
 */
const char *typed_complete(const char *begun, size_t len, unsigned *at);

#endif
