/*
 * One try after another to make the connection anew, each on a thread of its own: looking up a name and a login wait
 * for strangers, and meanwhile the clock runs, keys are pressed and the picture goes on.
 */
#ifndef ECHOC_PING_DIAL_H
#define ECHOC_PING_DIAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "channel.h"
#include "explain.h"
#include "must.h"
#include "reach.h"

struct ping_dial {
	struct reach *reach; /* the thread's own while one runs */
	bool under_way;
	int ended; /* an eventfd: readable when ping_dial_end will not wait */
	pthread_t thread;
	uint64_t until_ms;
	bool reached;
	struct channel channel; /* where reached */
	struct trouble trouble; /* where not */
};

/* Returns 0 or a negative errno. */
int ping_dial_init(struct ping_dial *, struct reach *) MUST_CHECK;
/* None may be under way. */
void ping_dial_fini(struct ping_dial *);

/* Begins a try of about so long, a second at least. Returns 0 or a negative errno: then there is none under way. */
int ping_dial_begin(struct ping_dial *, uint64_t limit_ms) MUST_CHECK;
/* Ends it, when ended is readable. The channel is the caller's then, where one was reached. */
void ping_dial_end(struct ping_dial *);

#endif
