#include "report_guess.h"

#include <jansson.h>

/* The percentiles that are told, in HISTOGRAM_WHOLE, and how many samples must stand behind each. */
static const struct {
	const char *key;
	uint64_t share, samples;
} percentiles[] = {
    {"p50_ns", 50000, 1},      {"p90_ns", 90000, 10},       {"p99_ns", 99000, 100},
    {"p99_9_ns", 99900, 1000}, {"p99_99_ns", 99990, 10000},
};

static json_t *times_json(const struct histogram *h)
{
	json_t *times = json_pack("{s:I}", "count", (json_int_t)h->count);

	if (h->count == 0)
		return times;
	json_object_update_new(times, json_pack("{s:I, s:I, s:f}", "min_ns", (json_int_t)h->min_ns, "max_ns",
	                                        (json_int_t)h->max_ns, "mean_ns", histogram_mean_ns(h)));
	for (size_t i = 0; i < array_size(percentiles); i++) {
		json_int_t ns = (json_int_t)histogram_at(h, percentiles[i].share);
		if (h->count >= percentiles[i].samples)
			json_object_update_new(times, json_pack("{s:I}", percentiles[i].key, ns));
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
	return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "round_trip", times_json(&r->times), "sent",
	                 (json_int_t)s->probes, "echoed", (json_int_t)(s->probes - s->missed), "missed",
	                 (json_int_t)s->missed, "late", (json_int_t)s->late, "damaged", (json_int_t)s->damaged,
	                 "reconnects", (json_int_t)s->reconnects, "downtime_s", downtime_s);
}

static json_t *guess_load(const struct run *r)
{
	const struct report_seen *s = &r->seen;
	double per_s = s->window_s > 0 ? (double)s->messages / s->window_s : 0;

	return json_pack("{s:{s:I, s:f}, s:{s:I}, s:{s:I}, s:f}", "throughput", "messages", (json_int_t)s->messages,
	                 "messages_per_s", per_s, "errors", "total", (json_int_t)s->errors, "totals", "damaged_bytes",
	                 (json_int_t)s->damaged_bytes, "window_s", s->window_s);
}

json_t *report_guess(const struct run *r)
{
	if (r->kind == REPORT_PING)
		return r->start || r->seen.probes ? guess_ping(r) : NULL;
	return r->trips.end_s > 0 ? guess_load(r) : NULL;
}
