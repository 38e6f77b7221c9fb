#include "admission.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "clock.h"
#include "owners.h"

#define LISTED_MAX    500   /* of addresses and as many names: the parent keeps a thousand lines */
#define WARN_EVERY_MS 60000 /* about what goes on for long */

static struct admission *of_gate(struct gate *g)
{
	return container_of(g, struct admission, gate);
}

static struct judge_case *of_pass(struct gate_pass *p)
{
	return container_of(p, struct judge_case, pass);
}

static void enter(struct gate *g, struct gate_pass *p)
{
	struct judge_case *jc = of_pass(p);

	jc->admitted = true;
	if (pool_submit(of_gate(g)->pool, &jc->job))
		abort(); /* unreached: the gate lets in no more than the pool has room for */
}

static void tell_penalty(struct judge_case *jc, uint64_t wait_ms)
{
	jc->verdict.answer = ANSWER_PENALTY;
	jc->verdict.retry_s = (uint32_t)((wait_ms + 999) / 1000);
}

static void refuse(struct gate *g, struct gate_pass *p, enum gate_refusal why, uint64_t wait_ms)
{
	struct judge_case *jc = of_pass(p);

	password_wipe(jc->ask.secret, sizeof(jc->ask.secret));
	switch (why) {
	case GATE_BUSY: jc->verdict.answer = ANSWER_BUSY; break;
	case GATE_PENALTY: tell_penalty(jc, wait_ms); break;
	}
	of_gate(g)->refused(of_gate(g), jc);
}

/* After whatever changes who waits. */
static void account(struct admission *a)
{
	if (a->gate.waiting > 0 && !deadline_armed(&a->time)) {
		uint64_t next_ms = gate_advance(&a->gate, a->loop->now_ms);
		if (next_ms)
			loop_arm(a->loop, &a->time, next_ms);
	}
	counters_add(&a->counters->hash_queue, (uint64_t)a->gate.waiting - a->told);
	a->told = a->gate.waiting;
}

static void late(struct deadline *d)
{
	struct admission *a = container_of(d, struct admission, time);

	(void)gate_advance(&a->gate, a->loop->now_ms);
	account(a);
}

int admission_open(struct admission *a, struct loop *loop, struct counters *counters, const struct judge_court *court,
                   const struct order_config *config, struct store *store,
                   void (*refused)(struct admission *, struct judge_case *))
{
	const struct throttle_limits limits = {.address_failures = config->address_failures,
	                                       .account_failures = config->account_failures,
	                                       .delay_ms = config->failure_delay_ms};
	uint8_t key[THROTTLE_KEY_BYTES];

	*a = (struct admission){.loop = loop,
	                        .counters = counters,
	                        .court = court,
	                        .counts_local = config->limit_local,
	                        .refused = refused};
	a->gate.enter = enter;
	a->gate.refuse = refuse;
	gate_init(&a->gate);
	deadline_init(&a->time, late);
	randombytes_buf(key, sizeof(key));
	int err = throttle_create(&a->gate.throttle, &limits, key);
	if (err)
		return err;
	if (owners_load(a->gate.throttle, store, clock_wall_us(), clock_coarse_ms()) != STORE_OK)
		log_event(court->log, LOG_WARNING, "owners_unread",
		          "could not read where accounts were logged in to from, so none is known: %s",
		          store_why(store));
	return 0;
}

void admission_use(struct admission *a, struct pool *pool, unsigned threads)
{
	a->pool = pool;
	a->gate.room = threads;
}

void admission_ask(struct admission *a, struct judge_case *jc)
{
	gate_ask(&a->gate, &jc->pass, &jc->ask.peer, jc->verdict.name, a->counts_local || !jc->ask.is_local,
	         a->loop->now_ms);
	account(a);
}

bool admission_refuses_token(const struct admission *a, struct judge_case *jc)
{
	struct throttle_claim claim = throttle_claim(a->gate.throttle, &jc->ask.peer, NULL);
	uint64_t wait_ms;

	if (throttle_look(a->gate.throttle, &claim, a->loop->now_ms, &wait_ms) != THROTTLE_NO)
		return false;
	tell_penalty(jc, wait_ms);
	return true;
}

static enum throttle_outcome outcome_of(const struct judge_case *jc)
{
	switch ((enum dialogue_answer)jc->verdict.answer) {
	case ANSWER_IN: return THROTTLE_IN;
	case ANSWER_REFUSED: return THROTTLE_FAILED;
	case ANSWER_KNOWN:
	case ANSWER_UNKNOWN:
	case ANSWER_BAD_NAME:
	case ANSWER_BAD_SECRET:
	case ANSWER_UNAVAILABLE:
	case ANSWER_FULL:
	case ANSWER_BUSY:
	case ANSWER_NEW_ACCOUNTS:
	case ANSWER_PENALTY: break;
	}
	return THROTTLE_UNDECIDED;
}

/* Somebody fails from more addresses, or at more names, than there is room for. */
static void warn_of_forgetting(struct admission *a)
{
	uint64_t forgotten = throttle_forgotten(a->gate.throttle), now_ms = a->loop->now_ms;

	if (forgotten == a->forgotten || (a->warned_ms && now_ms - a->warned_ms < WARN_EVERY_MS))
		return;
	log_event(a->court->log, LOG_WARNING, "penalties_forgotten",
	          "more addresses or names have failed logins than the %d that are kept: forgot %llu that had fewest",
	          THROTTLE_ENTRIES, (unsigned long long)(forgotten - a->forgotten));
	a->forgotten = forgotten;
	a->warned_ms = now_ms;
}

void admission_note(struct admission *a, struct judge_case *jc)
{
	enum throttle_outcome outcome = outcome_of(jc);
	uint64_t now_ms = a->loop->now_ms, delay_ms = 0;

	if (outcome == THROTTLE_IN)
		throttle_remember(a->gate.throttle, &jc->ask.peer, jc->verdict.name, now_ms);
	if (jc->admitted) {
		delay_ms = gate_end(&a->gate, &jc->pass, outcome, now_ms);
	} else if (jc->ask.kind == ASK_RESUME && outcome == THROTTLE_FAILED) {
		/* Not counted as under way before, for nobody guesses 256 bits; what may slip by is its cost. */
		struct throttle_claim claim = throttle_claim(a->gate.throttle, &jc->ask.peer, NULL);
		delay_ms = throttle_settle(a->gate.throttle, &claim, outcome, now_ms);
	}
	jc->admitted = false;
	jc->verdict.delay_ms = (uint32_t)delay_ms;
	account(a);
	if (outcome == THROTTLE_FAILED)
		warn_of_forgetting(a);
}

int admission_list(struct admission *a, void (*each)(void *arg, const char line[ORDER_TEXT_MAX]), void *arg)
{
	return throttle_list(a->gate.throttle, a->loop->now_ms, LISTED_MAX, each, arg);
}

uint32_t admission_clear(struct admission *a)
{
	return throttle_clear(a->gate.throttle, a->loop->now_ms);
}

void admission_end(struct admission *a)
{
	struct gate_pass *p;

	a->gate.room = 0;
	while ((p = gate_withdraw(&a->gate))) {
		struct judge_case *jc = of_pass(p);
		password_wipe(jc->ask.secret, sizeof(jc->ask.secret));
		free(jc);
	}
	account(a);
}
