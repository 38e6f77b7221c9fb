/*
 * A worker: a thread with an event loop, its connections, and its link to the keeper. What it needs from outside comes
 * through its inbox, a pipe that the accepting thread writes; nothing of a worker's is touched by any other thread.
 */
#ifndef FRONT_WORKER_H
#define FRONT_WORKER_H

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "connection.h"
#include "counters.h"
#include "front.h"
#include "keeper.h"
#include "loop.h"
#include "slots.h"
#include "stream.h"

struct tls_context;

enum arrival_kind {
	ARRIVAL_CONNECTION, /* fd is a client's */
	ARRIVAL_REFUSED,    /* fd is a client's for whom there is no room: to be told so */
	ARRIVAL_LINK,       /* fd is the new link to the keeper */
	ARRIVAL_DRAIN,
	ARRIVAL_TLS,   /* tls is what new sessions are made from */
	ARRIVAL_EVICT, /* whoever has the slot is to go, in favour of another login */
};

struct arrival {
	uint32_t kind;
	int fd;
	uint32_t listener;
	struct peer peer;
	struct tls_context *tls; /* the worker's */
	struct slots_hold hold;  /* of a connection: the slot alone counts */
};

#define WORKER_ARRIVALS_MAX 64 /* at once */
_Static_assert(WORKER_ARRIVALS_MAX * sizeof(struct arrival) <= PIPE_BUF, "they are written to a pipe in one piece");

/*
 * What a worker may have on its way in. Its inbox is no longer, so that who accepts waits for a worker that lags
 * behind, and clients wait in the kernel's queue, where they cost nothing.
 */
#define WORKER_INBOX_BYTES 16384
#define WORKER_INBOX_MAX   (WORKER_INBOX_BYTES / sizeof(struct arrival) + WORKER_ARRIVALS_MAX) /* and in hand */

struct worker {
	struct front *front;
	unsigned index;
	struct worker_counters *counters;
	struct loop loop;
	struct stream_pool pool, wrapped_pool; /* wrapped_pool where there is TLS */
	struct tls_context *tls;               /* NULL: no TLS */
	struct keeper keeper;
	struct connection connections; /* the head of the list */
	uint64_t numbered;
	bool draining;
	struct deadline drain_deadline;
	struct deadline unread; /* of unread.c: armed while a client is slow */
	struct loop_source inbox;
	int inbox_write; /* the accepting thread's end */
	pthread_t thread;
};

/* Makes worker number index and starts its thread. Returns 0 or a negative errno. */
int worker_start(struct worker *, struct front *, unsigned index) MUST_CHECK;
/* Puts count arrivals in the worker's inbox; waits when the inbox is full. From the accepting thread. */
void worker_send(struct worker *, const struct arrival *, size_t count);
/* For connection_destroy: one less; a draining worker that has none left says so. */
void worker_connection_gone(struct worker *);

#endif
