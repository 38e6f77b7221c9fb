#include "load_result.h"

#include <stdarg.h>
#include <stdio.h>

#include "must.h"
#include "words.h"

#define REACHED        0.99 /* of the target rate */
#define BUSY_SHARE     0.9  /* of a core: the thread had hardly time to spare */
#define LATE_SHARE     0.01 /* of the sends */
#define SAMPLES_P99_9  1000
#define SAMPLES_P99_99 10000

const char *const load_percentile_names[LOAD_PERCENTILES] = {"p50", "p90", "p99", "p99.9", "p99.99"};

void load_times_read(struct load_times *times, const struct histogram *h)
{
	static const uint64_t shares[LOAD_PERCENTILES] = {50000, 90000, 99000, 99900, 99990};
	static const uint64_t samples[LOAD_PERCENTILES] = {0, 0, 0, SAMPLES_P99_9, SAMPLES_P99_99};

	*times = (struct load_times){.count = h->count};
	if (h->count == 0)
		return;
	for (int i = 0; i < LOAD_PERCENTILES; i++) {
		times->known[i] = h->count > samples[i];
		times->at_ns[i] = histogram_at(h, shares[i]);
	}
	times->min_ns = h->min_ns;
	times->max_ns = h->max_ns;
	times->mean_ns = histogram_mean_ns(h);
}

double load_result_rate(const struct load_result *r, uint64_t n)
{
	return r->window_s > 0 ? (double)n / r->window_s : 0;
}

static void PRINTF_LIKE(2, 3) warn(struct load_result *r, const char *fmt, ...)
{
	va_list args;

	if (r->warnings == LOAD_WARNINGS_MAX)
		return;
	va_start(args, fmt);
	vsnprintf(r->warning[r->warnings++], LOAD_WARNING_MAX, fmt, args);
	va_end(args);
}

static void judge_bytes(struct load_result *r, const char *why)
{
	const struct load_counters *c = &r->counters;
	uint64_t errors = load_counters_errors(c);

	if (c->bytes_damaged)
		warn(r,
		     ngettext("%llu byte came back other than it was sent",
		              "%llu bytes came back other than they were sent", c->bytes_damaged),
		     (unsigned long long)c->bytes_damaged);
	if (c->bytes_missing)
		warn(r,
		     ngettext("%llu byte was sent and did not come back", "%llu bytes were sent and did not come back",
		              c->bytes_missing),
		     (unsigned long long)c->bytes_missing);
	if (c->messages_unsent)
		warn(r,
		     ngettext("%llu message was due and could not be sent",
		              "%llu messages were due and could not be sent", c->messages_unsent),
		     (unsigned long long)c->messages_unsent);
	if (errors)
		warn(r, ngettext("%llu error: %s", "%llu errors; the first was: %s", errors),
		     (unsigned long long)errors, why);
}

static void judge_rate(struct load_result *r)
{
	double target = (double)r->options->rate;

	if (!r->options->rate)
		return;
	/* one message more or less is due to where the window's ends fall */
	r->rate_reached = load_result_rate(r, r->counters.window_messages + 1) >= REACHED * target;
	if (!r->rate_reached)
		warn(r, _("the target rate was missed: %.1f of %.0f messages a second came back in the window"),
		     load_result_rate(r, r->counters.window_messages), target);
}

static void judge_generator(struct load_result *r)
{
	const struct load_counters *c = &r->counters;
	double late = c->window_sends ? (double)c->late_own / (double)c->window_sends : 0;

	r->generator_was_limit = r->cpu_share_max >= BUSY_SHARE || late > LATE_SHARE;
	if (r->cpu_share_max >= BUSY_SHARE)
		warn(r,
		     _("the generator was the limit: a thread used %.0f %% of a core; give it more --threads, or "
		       "another "
		       "machine"),
		     r->cpu_share_max * 100);
	else if (r->generator_was_limit)
		warn(r,
		     _("the generator was the limit: %.1f %% of the sends were more than 1 ms late by its own fault; "
		       "give "
		       "it more --threads, or an idle machine"),
		     late * 100);
}

void load_result_judge(struct load_result *r, const struct load_measures *m, const char *why)
{
	const struct load_counters *c = &r->counters;

	r->measures = m;
	r->counters = m->counters;
	load_times_read(&r->service, &m->service);
	load_times_read(&r->response, &m->response);
	load_times_read(&r->set_up, &m->set_up);
	judge_bytes(r, why);
	judge_rate(r);
	judge_generator(r);
	if (r->window_s <= 0)
		warn(r, _("it was ended before the measurement began"));
	bool lost = c->bytes_damaged || c->bytes_missing || c->messages_unsent || load_counters_errors(c);
	bool missed = r->window_s <= 0 || (r->options->rate && !r->rate_reached);
	r->status = lost || missed ? STATUS_LOST : STATUS_FINE;
}
