/*
 * The judging of one question: by the store and the password hash, on a pool's thread, each with a store of its own.
 * Whoever is asked about an unknown name works as hard as for a known one.
 */
#ifndef KEEPER_JUDGE_H
#define KEEPER_JUDGE_H

#include <stdbool.h>

#include "ask.h"
#include "orders.h"
#include "log.h"
#include "password.h"
#include "pool.h"
#include "store.h"

/* What the judging threads share; constant. */
struct judge_court {
	const char *accounts; /* for store_open */
	struct password_cost cost;
	struct log *log;
	uint8_t register_open[ORDER_LISTENERS_MAX];
	uint32_t listeners;
	char dummy_hash[PASSWORD_HASH_MAX]; /* checked for names that are not there, at the present cost */
};

struct judge_case {
	struct pool_job job; /* first */
	const struct judge_court *court;
	uint32_t link, generation; /* where the verdict goes */
	struct ask ask;
	/* the outcome */
	struct verdict verdict;
	struct account account; /* as it was; name[0] == 0 where there is none */
	bool failed;            /* a wrong password for an account that is there */
};

/* Makes the court's dummy hash. Returns 0 or -ENOMEM. */
int judge_open_court(struct judge_court *) MUST_CHECK;

/* For pool_plan: arg is the court, a thread's own is its store. */
void *judge_begin(void *court);
void judge_work(void *store, struct pool_job *);
void judge_end(void *store);

/*
 * Whether the question can be answered without a store: a name that is none, or one on a listener where registration is
 * closed, where known and unknown names get the same answer. Fills in the verdict. On the main thread.
 */
bool judge_at_once(struct judge_case *);

#endif
