/*
 * The client's end of the login dialogue: the server's bytes in, replies out. No descriptor, no clock, no memory of its
 * own. It stops at the LF of each reply's last line, so that the echoed bytes behind a 230 are left alone.
 */
#ifndef WIRE_REPLY_H
#define WIRE_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

#define REPLY_TOTAL_MAX 4096 /* bytes of one reply, all its lines together: no server of ours says as much */

enum reply_event {
	REPLY_MORE, /* all bytes are used and no line is whole yet */
	REPLY_LINE, /* a line, and the reply goes on */
	REPLY_DONE, /* the last line of a reply */
	REPLY_BAD,  /* not the protocol: line too long, no code, codes that differ, or a reply without end */
};

struct reply {
	unsigned code;         /* of the reply under way */
	size_t total, len;     /* bytes of the reply and of its last line; len <= sizeof line */
	size_t text, text_len; /* the line's text, without code and end: line + text */
	char line[WIRE_LINE_MAX];
};

void reply_init(struct reply *);
/* Takes bytes up to the end of one line at most; used says how many. After REPLY_BAD the reply is of no use any more.
 */
enum reply_event reply_feed(struct reply *, const uint8_t *data, size_t len, size_t *used);
/* The text of the line that REPLY_LINE or REPLY_DONE stood for: len bytes, as the server sent them, not fit to show. */
const char *reply_text(const struct reply *, size_t *len);

#endif
