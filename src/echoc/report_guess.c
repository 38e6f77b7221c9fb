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

static json_t *probes_json(const struct report_seen *s)
{
	json_t *probes = json_object();

	set_count(probes, "sent", s->sent);
	set_count(probes, "echoed", s->echoed);
	set_count(probes, "lost", s->lost);
	set_count(probes, "damaged", s->damaged);
	set_count(probes, "late", s->late);
	set_count(probes, "resent", s->resent);
	set_count(probes, "not_sent", s->not_sent);
	return probes;
}

/* How many marks of the kind there are, and how long they are together. */
static uint64_t sum_marks(const struct run *r, enum report_mark_kind kind, double *length_s)
{
	uint64_t count = 0;

	*length_s = 0;
	for (size_t i = 0; i < r->mark_count; i++) {
		if (r->marks[i].kind != kind)
			continue;
		count++;
		*length_s += r->marks[i].end_s - r->marks[i].begin_s;
	}
	return count;
}

static json_t *guess_ping(const struct run *r)
{
	double downtime_s, stalled_s;
	json_t *guess = json_pack("{s:o, s:o}", "rtt", times_json(r), "probes", probes_json(&r->seen));

	(void)sum_marks(r, REPORT_OUTAGE, &downtime_s);
	set_count(guess, "reconnects", r->seen.reconnects);
	set_real(guess, "downtime_s", downtime_s);
	set_count(guess, "stalls", sum_marks(r, REPORT_STALL, &stalled_s));
	set_real(guess, "stalled_s", stalled_s);
	return guess;
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
		return r->start || r->seen.sent ? guess_ping(r) : NULL;
	return r->trips.end_s > 0 ? guess_load(r) : NULL;
}
