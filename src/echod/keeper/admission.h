/*
 * Who is let to a judging thread: the gate and the throttle in the keeper's house, with its clock, its log and its
 * counters. The main thread's.
 */
#ifndef KEEPER_ADMISSION_H
#define KEEPER_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "counters.h"
#include "gate.h"
#include "judge.h"
#include "loop.h"
#include "orders.h"
#include "pool.h"
#include "store.h"
#include "throttle.h"

struct admission {
	struct gate gate; /* first */
	struct loop *loop;
	struct counters *counters;
	const struct judge_court *court;
	bool counts_local;
	struct pool *pool;
	struct deadline time; /* when the first of those that wait has waited for too long */
	unsigned told;        /* how many wait, as the counters have it */
	uint64_t forgotten;   /* as the log has it */
	uint64_t warned_ms;
	void (*refused)(struct admission *, struct judge_case *);
};

/*
 * With the limits of config, and with the owners that the store knows of. refused gets each question that is not
 * admitted, with the answer in its verdict, and owns it then. Returns 0 or -ENOMEM.
 */
int admission_open(struct admission *, struct loop *, struct counters *, const struct judge_court *,
                   const struct order_config *, struct store *,
                   void (*refused)(struct admission *, struct judge_case *)) MUST_CHECK;
/* Before the first question: pool, of so many threads and with as much room for jobs, does what is admitted. */
void admission_use(struct admission *, struct pool *, unsigned threads);

/* A password: it goes to the pool now or later, or comes back by refused. */
void admission_ask(struct admission *, struct judge_case *);
/* Whether a token is not even looked at now; the verdict says so then. */
bool admission_refuses_token(const struct admission *, struct judge_case *);
/* The verdict on a password or a token goes out: what it costs, and how long it is to be held back. */
void admission_note(struct admission *, struct judge_case *);

/* For the parent: see throttle_list and throttle_clear. */
int admission_list(struct admission *, void (*each)(void *arg, const char line[ORDER_TEXT_MAX]), void *arg) MUST_CHECK;
uint32_t admission_clear(struct admission *);

/* Frees whatever waits, and lets nobody in any more. */
void admission_end(struct admission *);

#endif
