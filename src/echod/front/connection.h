/*
 * A connection, from accept to its end. It belongs to one worker and moves forward only:
 * accept -> [PROXY] -> admission -> login -> echo -> closing. Idle it owns no buffer.
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
struct tls;
struct relay;
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
		struct relay *relay;                /* the PROXY stage's */
		struct login *login;                /* the login stage's */
		struct {                            /* the later stages' */
			uint64_t mark, progress_ms; /* to see progress at the deadline */
			uint64_t end_at;            /* of bytes_in: when so much has been echoed, the server ends it */
		};
	};
	struct peer peer;
	uint16_t listener;
	uint16_t slot;          /* of a login under way, or SLOTS_NONE */
	uint8_t stage;          /* enum counters_stage */
	uint8_t reason;         /* enum close_reason, once it is known */
	bool echoes : 1;        /* the echo phase has begun */
	bool swallowed : 1;     /* echo data came behind our FIN, and was dropped */
	bool over_limit : 1;    /* there was no room for it: it is only here to be told so */
	bool path_is_local : 1; /* both ends are this machine's own: peer_path_is_local, set by admission */
	bool counted : 1;       /* among its address's connections */
};

/* Where the TLS session stands, behind a connection whose listener speaks TLS: NULL before its stage. */
static inline struct tls **connection_session(struct connection *c)
{
	return (struct tls **)(void *)(c + 1);
}

/*
 * Makes a connection of fd, which becomes its own, and puts it in the worker's list, with its stream not yet opened.
 * NULL, and fd still the caller's, when memory is out.
 */
struct connection *connection_create(struct worker *, int fd, uint16_t listener, const struct peer *, bool over_limit);

/* Opens the connection's stream for a stage, or hands the open one on; arguments and result are stream_open's. */
int connection_stream(struct connection *, const struct stream_events *, uint16_t room) MUST_CHECK;

/* For closing alone: logs the end, counts it, closes the descriptor and frees all. */
void connection_destroy(struct connection *);

/* Moves on to stage; the one place where stages change and are counted. */
void connection_enter(struct connection *, enum counters_stage stage);

/* Begins a log line about this connection; the caller ends it. */
void connection_log(struct connection *, struct log_line *, enum log_level, const char *event);

/* The log's line of a connection that has come; via: the relay that it came by, or NULL. */
void connection_log_connect(struct connection *, const struct peer *via);

/* Our end as the kernel has it; AF_UNSPEC where it cannot say. */
struct peer connection_local_end(const struct connection *);

/* What is left of the time to log in, which counts from accept. */
uint64_t connection_login_left_ms(const struct connection *);

/* Bytes of echo data that the kernel took off us: received less held. */
uint64_t connection_bytes_out(const struct connection *);

#endif
