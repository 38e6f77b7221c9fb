/*
 * A connection, from accept to its end. It belongs to one worker and moves forward only:
 * accept -> login -> echo -> closing. Idle it owns no buffer.
 */
#ifndef FRONT_CONNECTION_H
#define FRONT_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "counters.h"
#include "deadline.h"
#include "log.h"
#include "stream.h"

struct login;
struct worker;

struct connection {
	struct stream stream;
	struct deadline deadline;
	struct connection *prev, *next; /* in its worker's list */
	struct worker *worker;
	char *user;          /* after login, NUL-ended; else NULL */
	uint64_t number;     /* in the log */
	uint64_t started_ms; /* the loop's clock */
	uint64_t bytes_in;   /* echo data received */
	union {
		struct login *login;                /* the login stage's */
		struct {                            /* the later stages' */
			uint64_t mark, progress_ms; /* to see progress at the deadline */
			uint64_t end_at;            /* of bytes_in: when so much has been echoed, the server ends it */
		};
	};
	struct peer peer;
	uint16_t listener;
	uint8_t stage;   /* enum counters_stage */
	uint8_t reason;  /* enum close_reason, once it is known */
	bool echoes;     /* the echo phase has begun */
	bool swallowed;  /* echo data came behind our FIN, and was dropped */
	bool over_limit; /* there was no room for it: it is only here to be told so */
};

/*
 * Makes a connection of fd, which becomes its own, and puts it in the worker's list, with its stream not yet opened.
 * NULL, and fd still the caller's, when memory is out.
 */
struct connection *connection_create(struct worker *, int fd, uint16_t listener, const struct peer *, bool over_limit);

/* For closing alone: logs the end, counts it, closes the descriptor and frees all. */
void connection_destroy(struct connection *);

/* Moves on to stage; the one place where stages change and are counted. */
void connection_enter(struct connection *, enum counters_stage stage);

/* Begins a log line about this connection; the caller ends it. */
void connection_log(struct connection *, struct log_line *, enum log_level, const char *event);

/* Bytes of echo data that the kernel took off us: received less held. */
uint64_t connection_bytes_out(const struct connection *);

#endif
