/*
 * The judging of one question: by the store and the password hash, on a pool's thread, each with a store of its own.
 * Whoever is asked about an unknown name works as hard as for a known one.
 */
#ifndef KEEPER_JUDGE_H
#define KEEPER_JUDGE_H

#include <stdbool.h>

#include "ask.h"
#include "gate.h"
#include "orders.h"
#include "log.h"
#include "password.h"
#include "pool.h"
#include "store.h"
#include "token.h"

/* What the judging threads share; constant. */
struct judge_court {
	const char *accounts; /* for store_open */
	struct password_cost cost;
	struct log *log;
	uint8_t register_open[ORDER_LISTENERS_MAX];
	uint32_t listeners;
	bool allow_cleartext;
	int64_t token_life_us;
	int64_t max_accounts;               /* 0: no limit */
	struct token_clock *clock;          /* the one thing here that changes; any thread may ask it */
	char dummy_hash[PASSWORD_HASH_MAX]; /* checked for names that are not there, at the present cost */
};

/* What is to be done: the front's question, or what the keeper does by itself or for the parent. */
enum judge_task {
	JUDGE_QUESTION,
	JUDGE_END_FAMILY, /* the token in digest was used again */
	JUDGE_END_ALL,    /* the tokens of the account verdict.name */
};

struct judge_case {
	struct pool_job job; /* first */
	enum judge_task task;
	const struct judge_court *court;
	uint32_t link, generation; /* where the verdict goes */
	struct ask ask;
	struct gate_pass pass;
	bool admitted; /* by the gate, and not reported back to it yet */
	/* the outcome */
	struct verdict verdict;
	struct account account;             /* as it was; name[0] == 0 where there is none */
	bool failed;                        /* a wrong password for an account that is there */
	bool counted;                       /* as a new account of its address */
	bool replayed;                      /* the token in digest is a spent one */
	int64_t ended;                      /* JUDGE_END_ALL: how many logins' tokens, or a negative errno */
	uint8_t digest[TOKEN_DIGEST_BYTES]; /* of the token that was given */
	uint8_t issued[TOKEN_DIGEST_BYTES]; /* of the one that is told */
};

/* Makes the court's dummy hash. Returns 0 or -ENOMEM. */
int judge_open_court(struct judge_court *) MUST_CHECK;

/* For pool_plan: arg is the court, a thread's own is its store. */
void *judge_begin(void *court);
void judge_work(void *store, struct pool_job *);
void judge_end(void *store);

/*
 * Whether the question can be answered without a store: a name that is none, or one on a listener where registration is
 * closed, where known and unknown names get the same answer; what is no token; a secret over a path that is not for
 * secrets, which no front of ours asks about. Fills in the verdict. On the main thread.
 */
bool judge_at_once(struct judge_case *);

/* Whether the question, which judge_at_once left open, is one for a new account. */
bool judge_would_create(const struct judge_case *);

/* Says in the log, once, that opening has brought the file to this version. */
void judge_tell_upgrade(const struct judge_court *, struct store *);

/* For the judging's own files. */
void judge_decide(struct judge_case *, enum dialogue_answer);
void judge_out_of_reach(struct judge_case *, const struct store *);

#endif
