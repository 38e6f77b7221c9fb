/*
 * Last logins and failures on their way to the store: gathered (stamps.h) and written once a second by a thread of
 * their own, after the replies. The main thread's, but for that one.
 */
#ifndef KEEPER_STAMPING_H
#define KEEPER_STAMPING_H

#include <stdbool.h>
#include <stdint.h>

#include "counters.h"
#include "judge.h"
#include "loop.h"
#include "pool.h"
#include "stamps.h"

/* Stamps that are gathered, or on their way to the store; the two change places. */
struct stamping_job {
	struct pool_job job; /* first */
	struct stamps stamps;
	bool failed;
};

struct stamping {
	struct loop *loop;
	struct counters *counters;
	const struct judge_court *court;
	struct pool *pool;
	struct stamping_job job[2], *gathering, *writing; /* writing is NULL while none is under way */
	struct deadline time;
	_Atomic uint64_t gauge;
};

/* plan is for pool_create, with begin, end, arg and done_fd; the rest is filled in here. Returns as pool_create. */
int stamping_start(struct stamping *, struct loop *, struct counters *, const struct judge_court *,
                   struct pool_plan plan) MUST_CHECK;
/* Notes the outcome of a login, and writes into the verdict what the user should know of the account. */
void stamping_note(struct stamping *, struct judge_case *);
/* Takes what has been written. */
void stamping_take_finished(struct stamping *);
/* At the end: writes all that is left. */
void stamping_finish(struct stamping *);

#endif
