/*
 * The exchange of bytes: what was taken in and has not come back yet stands in a window, is sent, compared with what
 * comes back, byte by byte, and sent again on the next connection if this one is lost. It knows its channel but no
 * standard input or output: whoever drives it fills the window and takes out what came back.
 *
 *     taken <= echoed <= sent <= filled <= taken + EXCHANGE_WINDOW
 *
 * count bytes of the one stream. Because the bytes that came back equal the ones in the window, they are handed out
 * from there, and a slow taker needs no buffer: a full window is sent from no more, and so nothing more comes.
 */
#ifndef ECHOC_EXCHANGE_H
#define ECHOC_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "channel.h"
#include "must.h"

#define EXCHANGE_WINDOW   ((size_t)1024 * 1024) /* the most that may be in the air: design.md */
#define EXCHANGE_READ     ((size_t)256 * 1024)  /* of one recv: larger reads gain nothing (measured, design.md) */
#define EXCHANGE_SHOWN    8                     /* bytes of a difference that are kept for the message */
#define EXCHANGE_TEXT_MAX 1024

enum exchange_result {
	EXCHANGE_GOES_ON,
	EXCHANGE_DONE,    /* half-closed, everything came back, and the server ended too */
	EXCHANGE_DROPPED, /* the connection ended before that; error says how */
	EXCHANGE_DAMAGED, /* other bytes came back than were sent, or more */
	EXCHANGE_FAILED,  /* TLS found that what came is not what the server sent: nothing is worth a retry */
};

struct exchange {
	uint8_t *window, *received;
	uint64_t taken, echoed, sent, filled;
	bool ended; /* no more will be filled in: half-close when all is sent */
	bool half_closed;
	size_t chunk; /* bytes of one send, which no other is joined with; 0: as many as there are */
	struct channel channel;
	int error; /* of the end of the last connection, a negative errno of the channel; 0 for an orderly end */
	struct {
		size_t sent_len, came_len; /* sent_len 0: nothing was sent there */
		uint8_t sent[EXCHANGE_SHOWN], came[EXCHANGE_SHOWN];
	} damage; /* at offset echoed */
};

/* Returns 0 or -ENOMEM. */
int exchange_init(struct exchange *) MUST_CHECK;
/* Closes the connection too. */
void exchange_fini(struct exchange *);

/* Goes on with a connection that is ready for echo and takes it over: what has not come back is sent again. */
void exchange_attach(struct exchange *, const struct channel *);
void exchange_detach(struct exchange *);
/* Gives up the next len bytes that have not come back, as damaged ones; len <= exchange_missing, and it is detached. */
void exchange_skip(struct exchange *, size_t len);

/* All the bytes that can be filled in, and how many of them in one piece at *at. */
size_t exchange_room(const struct exchange *);
size_t exchange_room_at(const struct exchange *, uint8_t **at);
/* Says that len bytes at the place that exchange_room_at gave are filled in. */
void exchange_filled(struct exchange *, size_t len);
/* Fills len bytes in; len <= exchange_room. */
void exchange_put(struct exchange *, const void *data, size_t len);
/* No more is filled in. */
void exchange_end(struct exchange *);

/* How many bytes that came back stand in one piece at *at. */
size_t exchange_echoed_at(const struct exchange *, const uint8_t **at);
void exchange_taken(struct exchange *, size_t len);

uint64_t exchange_missing(const struct exchange *);
/* Half-closed, and everything came back. */
bool exchange_complete(const struct exchange *);

/*
 * The poll events to wait for, unless it is pending, when nothing is to be waited for; and what to do when revents of
 * them are there: sends and receives what it can.
 */
short exchange_events(const struct exchange *);
bool exchange_pending(const struct exchange *);
enum exchange_result exchange_step(struct exchange *, short revents) MUST_CHECK;

/*
 * Clauses for a person, into text of EXCHANGE_TEXT_MAX bytes: how the last connection ended, as `WHERE ended the
 * connection`; and the damage, as `at offset 5 sent 68 65, came 68 66`.
 */
void exchange_describe_end(const struct exchange *, const char *where, char *text, size_t cap);
void exchange_describe_damage(const struct exchange *, char *text, size_t cap);
/* What may be the matter with it, as a clause. */
const char *exchange_advise(const struct exchange *);

#endif
