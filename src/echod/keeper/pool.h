/*
 * A pool of threads that do jobs from a bounded queue. Submitting and taking finished jobs is for one thread, the
 * owner's, which learns by a descriptor that jobs are done.
 */
#ifndef KEEPER_POOL_H
#define KEEPER_POOL_H

#include <stdatomic.h>
#include <stdint.h>

#include "must.h"

struct pool;

/* Embedded in the owner's jobs, as their first member; its job's work is done on a thread of the pool. */
struct pool_job {
	struct pool_job *next;
};

struct pool_plan {
	unsigned threads;
	unsigned queue; /* jobs that may wait, beside those being worked on */
	int niceness;   /* of the threads, 0 to 19 */
	/* Called on each thread before its first job; what it returns goes to each of its jobs. NULL: the pool fails.
	 */
	void *(*begin)(void *arg);
	void (*work)(void *own, struct pool_job *);
	void (*end)(void *own);  /* on the same thread, last */
	void *arg;               /* for begin */
	int done_fd;             /* an eventfd, the owner's: gets 1 added for each finished job */
	_Atomic uint64_t *gauge; /* jobs waiting or being worked on; the owner's thread alone writes it */
};

/* Returns 0, or -ENOMEM, -EAGAIN, or -EIO when begin failed on a thread. */
int pool_create(struct pool **, const struct pool_plan *) MUST_CHECK;
/* Returns 0, or -EAGAIN when the queue is full: the job stays the caller's. */
int pool_submit(struct pool *, struct pool_job *) MUST_CHECK;
/* A finished job, in the order of finishing, or NULL. It is the owner's again. */
struct pool_job *pool_take(struct pool *);
/* A job that waits, taken off the queue, or NULL: for what is not worth doing any more. It is the owner's again. */
struct pool_job *pool_withdraw(struct pool *);
/* Works off what is queued and ends the threads. Finished jobs can still be taken. */
void pool_finish(struct pool *);
/* After pool_finish and the last pool_take. */
void pool_destroy(struct pool *);

#endif
