/* What a line typed in a talk means. */
#ifndef ECHOC_TYPED_H
#define ECHOC_TYPED_H

#include <stddef.h>

enum typed_kind {
	TYPED_TEXT,    /* to be sent, from the offset that is given */
	TYPED_LEAVE,   /* exit, /exit, /quit */
	TYPED_HELP,    /* /help */
	TYPED_UNKNOWN, /* another word behind a slash: not sent */
};

/* What /help shows. */
extern const char typed_help[];

/* line has len bytes, its LF not among them. *from: where the text to be sent begins. */
enum typed_kind typed_read(const char *line, size_t len, size_t *from);

#endif
