#include "report_guess.h"

#include <jansson.h>

/* The percentiles that ping tells, and how many samples each needs more than. */
static const struct {
	const char *key;
	uint64_t share, samples;
} percentiles[] = {{"p50_ns", 50000, 0}, {"p90_ns", 90000, 0}, {"p99_ns", 99000, 100}, {"p99_9_ns", 99900, 1000}};

static void set_real(json_t *object, const char *key, double number)
{
	(void)json_object_update_new(object, json_pack("{s:f}", key, number));
}

static void set_count(json_t *object, const char *key, uint64_t n)
{
	(void)json_object_update_new(object, json_pack("{s:I}", key, (json_int_t)n));
}

static json_t *times_json(const struct run *r)
{
	const struct histogram *h = &r->times;
	json_t *times = json_object();

	set_count(times, "count", h->count);
	if (h->count == 0)
		return times;
	set_count(times, "min_ns", h->min_ns);
	set_count(times, "max_ns", h->max_ns);
	set_real(times, "mean_ns", histogram_mean_ns(h));
	if (h->count > 1)
		set_real(times, "jitter_ns", (double)r->seen.jitter_sum_ns / (double)(h->count - 1));
	for (size_t i = 0; i < array_size(percentiles); i++) {
		if (h->count > percentiles[i].samples)
			set_count(times, percentiles[i].key, histogram_at(h, percentiles[i].share));
	}
	return times;
}

static json_t *guess_ping(const struct run *r)
{
	const struct report_seen *s = &r->seen;
	double downtime_s = 0;

	for (size_t i = 0; i < r->mark_count; i++) {
		if (r->marks[i].kind == REPORT_OUTAGE)
			downtime_s += r->marks[i].end_s - r->marks[i].begin_s;
	}
	return json_pack("{s:o, s:{s:I, s:I, s:I, s:I, s:I}, s:I, s:f}", "rtt", times_json(r), "probes", "sent",
	                 (json_int_t)s->probes, "echoed", (json_int_t)s->echoed, "lost", (json_int_t)s->lost, "late",
	                 (json_int_t)s->late, "damaged", (json_int_t)s->damaged, "reconnects",
	                 (json_int_t)s->reconnects, "downtime_s", downtime_s);
}

static json_t *guess_load(const struct run *r)
{
	const struct report_seen *s = &r->seen;
	json_t *throughput = json_pack("{s:I}", "messages", (json_int_t)s->messages);

	if (s->window_s > 0)
		set_real(throughput, "messages_per_s", (double)s->messages / s->window_s);
	return json_pack("{s:o, s:{s:I}, s:{s:I}, s:f}", "throughput", throughput, "errors", "total",
	                 (json_int_t)s->errors, "totals", "damaged_bytes", (json_int_t)s->damaged_bytes, "window_s",
	                 s->window_s);
}

json_t *report_guess(const struct run *r)
{
	if (r->kind == REPORT_PING)
		return r->start || r->seen.probes ? guess_ping(r) : NULL;
	return r->trips.end_s > 0 ? guess_load(r) : NULL;
}
