/*
 * The event loop: level-triggered epoll, a wheel of deadlines, one clock reading a turn. One loop belongs to one
 * thread; nothing here locks or allocates after loop_init.
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "deadline.h"
#include "must.h"
#include "spin.h"

#define LOOP_BATCH 256 /* events a turn */

/* Something with a descriptor, embedded in its owner; the descriptor stays the owner's. */
struct loop_source {
	int fd;
	/* events: what epoll_wait said. The source may be removed, freed or changed in here, as may any other. */
	void (*ready)(struct loop_source *, uint32_t events);
};

struct loop {
	int epoll;
	bool stopping;
	uint64_t now_ms; /* read once a turn */
	struct deadline_wheel wheel;
	struct spin spin; /* of its waits; none unless its owner says so before loop_run */
	int count, at;    /* of the batch in hand */
	struct epoll_event batch[LOOP_BATCH];
};

/* Returns 0 or a negative errno; deadlines may be armed even then, and never expire. */
int loop_init(struct loop *) MUST_CHECK;
void loop_fini(struct loop *);

/* Watches source->fd for events (EPOLLIN …). Returns 0 or a negative errno. */
int loop_add(struct loop *, struct loop_source *, uint32_t events) MUST_CHECK;
void loop_change(struct loop *, struct loop_source *, uint32_t events);
/* Ends the watch; no event that is already in hand reaches the source any more. */
void loop_remove(struct loop *, struct loop_source *);
/* The same for a descriptor that is closed next and that nobody else has: the kernel ends the watch itself. */
void loop_forget(struct loop *, struct loop_source *);

/* Arms d to expire after_ms from the turn's clock reading. */
void loop_arm(struct loop *, struct deadline *d, uint64_t after_ms);
void loop_disarm(struct loop *, struct deadline *d);

/* Runs until loop_stop, called from within. Returns 0 or a negative errno of epoll_wait. */
int loop_run(struct loop *) MUST_CHECK;
void loop_stop(struct loop *);

#endif
