#include "stamping.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "text.h"

#define EVERY_MS 1000

/* What the user should know of this account: its last login, and the failures since. */
static void tell_news(struct judge_case *jc)
{
	const struct account *a = &jc->account;
	char when[CLOCK_TEXT_MAX], from[STORE_ADDRESS_MAX];

	if (!a->last_login_us && !a->failures)
		return;
	clock_format_s(when, a->last_login_us);
	text_escape(from, sizeof(from), a->last_address,
	            strlen(a->last_address)); /* a damaged store may hold anything */
	if (!a->last_login_us)
		snprintf(jc->verdict.news, sizeof(jc->verdict.news), "Failed logins before this first one: %lld",
		         (long long)a->failures);
	else
		snprintf(jc->verdict.news, sizeof(jc->verdict.news), "Last login %s from %s; failed logins since: %lld",
		         when, from, (long long)a->failures);
}

void stamping_note(struct stamping *s, struct judge_case *jc)
{
	struct stamps *gathered = &s->gathering->stamps;
	char address[PEER_TEXT_MAX];

	if (jc->verdict.answer == ANSWER_IN) {
		peer_format(&jc->ask.peer, address);
		if (s->writing) /* the older ones first */
			stamps_apply(&s->writing->stamps, &jc->account);
		stamps_apply(gathered, &jc->account);
		tell_news(jc);
		stamps_login(gathered, jc->verdict.name, address, clock_wall_us());
	} else if (jc->failed) {
		stamps_failure(gathered, jc->verdict.name);
	} else {
		return;
	}
	if (!deadline_armed(&s->time))
		loop_arm(s->loop, &s->time, EVERY_MS);
}

static void write_stamps(struct deadline *d)
{
	struct stamping *s = container_of(d, struct stamping, time);
	struct stamping_job *full = s->gathering;

	if (full->stamps.count == 0)
		return;
	if (s->writing || pool_submit(s->pool, &full->job)) {
		loop_arm(s->loop, d, EVERY_MS);
		return;
	}
	if (full->stamps.dropped)
		log_event(s->court->log, LOG_WARNING, "stamps_dropped",
		          "more accounts in a second than are noted: %llu", (unsigned long long)full->stamps.dropped);
	s->writing = full;
	s->gathering = full == &s->job[0] ? &s->job[1] : &s->job[0];
	s->gathering->stamps.count = 0;
	s->gathering->stamps.dropped = 0;
}

/* On the stamping thread. */
static void work(void *store, struct pool_job *job)
{
	struct stamping_job *j = container_of(job, struct stamping_job, job);

	j->failed = store_stamp(store, j->stamps.stamp, j->stamps.count) != STORE_OK;
}

void stamping_take_finished(struct stamping *s)
{
	struct pool_job *job;

	while ((job = pool_take(s->pool))) {
		const struct stamping_job *done = container_of(job, struct stamping_job, job);
		const struct stamps *written = &done->stamps;
		if (done->failed) {
			stamps_return(&s->gathering->stamps, written->stamp, written->count);
			loop_arm(s->loop, &s->time, EVERY_MS);
		} else {
			counters_add(&s->counters->stamped, written->count);
		}
		s->writing = NULL;
	}
}

int stamping_start(struct stamping *s, struct loop *loop, struct counters *counters, const struct judge_court *court,
                   struct pool_plan plan)
{
	s->loop = loop;
	s->counters = counters;
	s->court = court;
	s->gathering = &s->job[0];
	deadline_init(&s->time, write_stamps);
	plan.threads = 1;
	plan.queue = 1;
	plan.work = work;
	plan.gauge = &s->gauge;
	return pool_create(&s->pool, &plan);
}

void stamping_finish(struct stamping *s)
{
	const struct stamps *left = &s->gathering->stamps;

	pool_finish(s->pool);
	stamping_take_finished(s);
	if (left->count == 0)
		return;
	struct store *store = judge_begin((void *)(size_t)s->court);
	if (store && store_stamp(store, left->stamp, left->count) != STORE_OK)
		log_event(s->court->log, LOG_WARNING, "stamps_lost", "%s", store_why(store));
	store_close(store);
}
