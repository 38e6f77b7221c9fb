/*
 * A connection of a load. It moves forward through its stages: waiting, dialling, TLS, login, echo, closing; and where
 * connections are made anew, from closing to dialling again. load_connection_fail is the one end that is no success.
 */
#ifndef ECHOC_LOAD_CONNECTION_H
#define ECHOC_LOAD_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "channel.h"
#include "deadline.h"
#include "load_measures.h"
#include "load_pace.h"
#include "loop.h"
#include "must.h"

enum load_stage { LOAD_WAITING, LOAD_DIALLING, LOAD_SHAKING, LOAD_LOGIN, LOAD_ECHO, LOAD_CLOSING, LOAD_OVER };

/* A message that is under way, or to be sent. */
struct load_flight {
	uint64_t end; /* the stream's length with it */
	uint64_t due_ns, sent_ns;
};

struct load_connection {
	struct loop_source source; /* its descriptor is the channel's */
	struct channel channel;
	struct load_thread *thread;
	/* the stream since it was dialled: 0 <= sent <= queued, and came <= sent with a server that adds nothing */
	uint64_t queued, sent, came;
	uint32_t sent_at, came_at;  /* the places in the pattern */
	uint32_t head, begun, tail; /* flights: done up to head, sending has begun up to begun, queued up to tail */
	uint64_t begun_at;          /* where the message at begun begins in the stream */
	uint64_t messages;          /* queued since it was dialled */
	struct load_flight *flight; /* a ring of thread->flight_mask + 1 */
	struct load_pace due;       /* open loop: the next message */
	uint64_t random;
	bool watches_out, blocked, settled;
	enum load_stage stage;
	uint64_t index; /* among all connections */
	uint64_t dialled_ns;
	struct deadline deadline;
	struct load_login *login;
};

void load_connection_init(struct load_connection *, struct load_thread *, uint64_t index, struct load_flight *ring);
void load_connection_dial(struct load_connection *);

/* It is logged in, or needs no login. */
void load_connection_enter(struct load_connection *);
/* It is connected, and TLS where it has to be. */
void load_connection_connected(struct load_connection *);
/* Ends the sending side and waits for the server's FIN; then it is over, or dialled anew. */
void load_connection_finish(struct load_connection *);
/* Counts what is missing and the error, says why (NULL: by err, a negative errno), and goes on as the run wants it. */
void load_connection_fail(struct load_connection *, enum load_error, int err, const char *why);
/* The kind of a channel's error. */
enum load_error load_connection_kind(int err);
/* The run's end: whatever is missing is counted, and it is over. */
void load_connection_give_up(struct load_connection *);

/* load_echo.c: the stage in which it is measured. */
void load_echo_ready(struct loop_source *, uint32_t events);
/* Sends all that is due at now_ns, as far as the connection takes it; may end it. */
void load_echo_send(struct load_connection *, uint64_t now_ns);
/* Whether messages that were due in the window are yet to be sent. */
bool load_echo_owes(const struct load_connection *);

/* load_shake.c: TLS, then the login or the echo */
void load_shake_start(struct load_connection *);

/* load_login.c */
void load_login_start(struct load_connection *);
void load_login_free(struct load_connection *);

#endif
