/*
 * One try after another to make a connection, each on a thread of its own: looking up a name and a login wait for
 * strangers, and meanwhile the clock runs, keys are pressed and other connections are looked after.
 */
#ifndef ECHOC_REACH_THREAD_H
#define ECHOC_REACH_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "channel.h"
#include "explain.h"
#include "must.h"
#include "reach.h"

struct reach_thread {
	struct reach *reach; /* the thread's own while one runs */
	bool under_way;
	int ended; /* an eventfd: readable when reach_thread_end will not wait */
	pthread_t thread;
	uint64_t until_ms;
	char *said; /* what the try has to show (reach.h, out), until it ended */
	size_t said_len;
	bool reached;
	struct channel channel; /* where reached */
	struct trouble trouble; /* where not */
};

/* Returns 0 or a negative errno. */
int reach_thread_init(struct reach_thread *, struct reach *) MUST_CHECK;
/* None may be under way. */
void reach_thread_fini(struct reach_thread *);

/*
 * Begins a try of about so long, a second at least (WAIT_FOR_EVER: as long as it takes), which asks nobody unless reach
 * may. Returns 0 or a negative errno: then there is none under way.
 */
int reach_thread_begin(struct reach_thread *, uint64_t limit_ms) MUST_CHECK;
/*
 * Ends it, when ended is readable, and shows on standard error what it had to show. The channel is the caller's then,
 * where one was reached; its room is reach's.
 */
void reach_thread_end(struct reach_thread *);
/*
 * Ends the process while a try is under way: a look-up cannot be taken back, and is not waited for. Everything is said
 * and written before.
 */
_Noreturn void reach_thread_leave(struct reach_thread *, int status);

#endif
