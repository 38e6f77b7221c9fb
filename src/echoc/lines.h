/* The lines of a talk that are on their way: sent, timed, and shown when they have come back whole. */
#ifndef ECHOC_LINES_H
#define ECHOC_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exchange.h"
#include "histogram.h"
#include "must.h"

#define LINES_MAX       64    /* on their way; more are not read from the terminal */
#define LINES_BYTES_MAX 65536 /* of one */

struct line {
	uint64_t begin, end; /* offsets of the stream */
	uint64_t typed_ns;
};

struct lines {
	struct exchange *exchange;
	bool colour;           /* the round trips are dim; false at first */
	unsigned first, count; /* of those on their way, a ring */
	struct line ring[LINES_MAX];
	struct histogram round_trips; /* of those that came back */
	char text[LINES_BYTES_MAX], shown[LINES_BYTES_MAX * 4 + 1];
};

/* The exchange stays the caller's. It is large: for the heap. */
void lines_init(struct lines *, struct exchange *);

/* Whether one more may be sent. */
bool lines_have_room(const struct lines *);
/* Sends a line, or a block, of len <= LINES_BYTES_MAX bytes. */
void lines_send(struct lines *, const char *text, size_t len);

/* Whether one has come back whole; and shows it on standard output, with its round-trip time. */
bool lines_are_back(const struct lines *);
void lines_show(struct lines *, uint64_t now_ns);

#endif
