#include "report_take.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report_guess.h"
#include "words.h"

#define COUNT_MAX 1e14 /* of samples, so that no arithmetic with them overflows */

static double number_at(const json_t *object, const char *key)
{
	return report_number_of(json_object_get(object, key));
}

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* ---- what comes while it runs */

static void take_round_trip(struct run *r, double at_s, uint64_t ns)
{
	uint64_t last = r->seen.last_ns;

	if (r->times.count > 0)
		r->seen.jitter_sum_ns += ns > last ? ns - last : last - ns;
	r->seen.last_ns = ns;
	histogram_add(&r->times, ns);
	(void)report_series_add(&r->trips, at_s, (double)ns); /* one without a time is counted all the same */
}

/* What was sent twice has come back, but has no time; what was cut off has not even been waited for. */
static void take_probe(struct run *r, const json_t *probe)
{
	const char *outcome = text_at(probe, "outcome");
	double rtt_ns = number_at(probe, "rtt_ns"), at_s = number_at(probe, "elapsed_s");
	bool lost = strcmp(outcome, "lost") == 0;

	if (strcmp(outcome, "not_sent") == 0) {
		r->seen.not_sent++;
		return;
	}
	r->seen.sent++;
	r->seen.resent += json_is_true(json_object_get(probe, "resent"));
	r->seen.echoed += strcmp(outcome, "echoed") == 0;
	r->seen.damaged += strcmp(outcome, "damaged") == 0;
	r->seen.lost += lost;
	r->seen.late += json_is_true(json_object_get(probe, "late"));
	if (rtt_ns <= (double)HISTOGRAM_MAX_NS)
		take_round_trip(r, at_s, (uint64_t)rtt_ns);
	else if (lost)
		(void)report_series_add(&r->trips, at_s, NAN);
}

/* The last mark of the kind that has not ended, or NULL. */
static struct report_mark *find_open(struct run *r, enum report_mark_kind kind)
{
	for (size_t i = r->mark_count; i > 0; i--) {
		if (r->marks[i - 1].kind == kind && r->marks[i - 1].goes_on)
			return &r->marks[i - 1];
	}
	return NULL;
}

/* duration_s may be NAN: then it began with the mark that is open. */
static void end_mark(struct run *r, enum report_mark_kind kind, double at_s, double duration_s)
{
	struct report_mark *open = find_open(r, kind);
	double begin_s = isnan(duration_s) ? NAN : fmax(at_s - duration_s, 0);

	if (!(at_s >= 0))
		return;
	if (!open) {
		report_run_mark(r, kind, begin_s, at_s, false);
		return;
	}
	open->goes_on = false;
	open->end_s = fmax(at_s, open->begin_s);
	if (begin_s < open->begin_s)
		open->begin_s = begin_s;
}

static void take_event(struct run *r, const json_t *event)
{
	const char *kind = text_at(event, "kind");
	double at_s = number_at(event, "elapsed_s"), duration_s = number_at(event, "duration_s");

	if (strcmp(kind, "stall") == 0) {
		report_run_mark(r, REPORT_STALL, fmax(at_s - fmax(duration_s, 0), 0), at_s, true);
	} else if (strcmp(kind, "stall_end") == 0) {
		end_mark(r, REPORT_STALL, at_s, duration_s);
	} else if (strcmp(kind, "drop") == 0) {
		report_run_mark(r, REPORT_OUTAGE, at_s, at_s, true);
	} else if (strcmp(kind, "back") == 0) {
		r->seen.reconnects++;
		end_mark(r, REPORT_OUTAGE, at_s, duration_s);
	} else if (strcmp(kind, "renewed") == 0) {
		r->seen.reconnects++;
	} else if (strcmp(kind, "damage") == 0) {
		report_run_mark(r, REPORT_DAMAGE, at_s, at_s, false);
	} else if (strcmp(kind, "held_up") == 0) {
		r->seen.not_sent += (uint64_t)fmin(fmax(number_at(event, "not_sent"), 0), COUNT_MAX);
		end_mark(r, REPORT_HELD_UP, at_s, duration_s);
	}
}

static void take_warm_up(struct run *r, double end_s)
{
	if (r->mark_count == 0)
		report_run_mark(r, REPORT_WARM_UP, 0, end_s, false);
	else if (r->marks[0].kind == REPORT_WARM_UP && end_s > r->marks[0].end_s)
		r->marks[0].end_s = end_s;
}

static void take_interval(struct run *r, const json_t *interval)
{
	const char *phase = text_at(interval, "phase");
	double at_s = number_at(interval, "elapsed_s"), messages = number_at(interval, "messages");

	if (strcmp(phase, "warm_up") == 0)
		take_warm_up(r, at_s);
	if (strcmp(phase, "window") == 0 && messages <= COUNT_MAX) {
		r->seen.messages += (uint64_t)messages;
		r->seen.window_s += fmax(number_at(interval, "interval_s"), 0);
	}
	r->seen.errors = (uint64_t)fmin(fmax(number_at(interval, "errors"), 0), COUNT_MAX);
	r->seen.damaged_bytes = (uint64_t)fmin(fmax(number_at(interval, "damaged_bytes"), 0), COUNT_MAX);
	(void)report_series_add(&r->trips, at_s, number_at(interval, "p50_ns"));
	(void)report_series_add(&r->tails, at_s, number_at(interval, "p99_ns"));
}

/* ---- the result */

/* Reads [[ns, count], ...]. Returns whether all of it could be. */
static bool fill(struct histogram *h, const json_t *pairs)
{
	histogram_init(h);
	for (size_t i = 0; i < json_array_size(pairs); i++) {
		const json_t *pair = json_array_get(pairs, i);
		double ns = report_number_of(json_array_get(pair, 0));
		double count = report_number_of(json_array_get(pair, 1));
		if (isnan(ns) || !((double)h->count + count <= COUNT_MAX))
			return false;
		uint64_t n = (uint64_t)count, at = (uint64_t)fmin(ns, (double)HISTOGRAM_MAX_NS);
		h->bucket[histogram_index(at)] += n;
		h->count += n;
		if (n && at < h->min_ns)
			h->min_ns = at;
		if (n && at > h->max_ns)
			h->max_ns = at;
	}
	return json_is_array(pairs);
}

/* Puts the exact ends in place of those of the buckets, where they stand in them. */
static void sharpen(struct histogram *h, const json_t *told)
{
	double min_ns = number_at(told, "min_ns"), max_ns = number_at(told, "max_ns");

	if (h->count == 0)
		return;
	if (min_ns < (double)h->min_ns && histogram_index((uint64_t)min_ns) == histogram_index(h->min_ns))
		h->min_ns = (uint64_t)min_ns;
	if (max_ns < (double)h->max_ns && histogram_index((uint64_t)max_ns) == histogram_index(h->max_ns))
		h->max_ns = (uint64_t)max_ns;
	if (max_ns <= 1e18 && max_ns > (double)HISTOGRAM_MAX_NS && h->max_ns == HISTOGRAM_MAX_NS)
		h->max_ns = (uint64_t)max_ns;
}

static void take_times(struct run *r)
{
	const json_t *told = report_run_find(r, report_run_times(r));
	const json_t *pairs = json_object_get(told, "histogram");

	if (!pairs)
		return; /* what the probes told stays */
	if (!fill(&r->times, pairs)) {
		histogram_init(&r->times);
		report_notes_add(&r->notes,
		                 _("The histogram of the result cannot be read, so there is no curve of it."));
	}
	sharpen(&r->times, told);
}

/* Where the events told fewer of them, as in a file that is the result alone. */
static void take_outages(struct run *r)
{
	const json_t *outages = report_run_find(r, "outages");
	size_t kept = 0, told = json_array_size(outages), seen = r->mark_count;

	for (size_t i = 0; i < r->mark_count; i++)
		seen -= r->marks[i].kind != REPORT_OUTAGE;
	if (seen >= told)
		return;
	for (size_t i = 0; i < r->mark_count; i++) {
		if (r->marks[i].kind != REPORT_OUTAGE)
			r->marks[kept++] = r->marks[i];
	}
	r->mark_count = kept;
	for (size_t i = 0; i < told; i++) {
		const json_t *outage = json_array_get(outages, i);
		double began_s = number_at(outage, "began_s"), length_s = fmax(number_at(outage, "length_s"), 0);
		report_run_mark(r, REPORT_OUTAGE, began_s, began_s + length_s,
		                json_is_false(json_object_get(outage, "over")));
	}
}

/* Names and texts stay the object's. */
static void take_options(struct run *r)
{
	json_t *options = (json_t *)report_run_find(r, "options"), *value; /* the iteration changes nothing */
	const char *name;

	json_object_foreach(options, name, value)
	{
		struct report_option o = {.name = name, .number = json_number_value(value), .yes = json_is_true(value)};
		if (r->option_count == REPORT_OPTIONS_MAX)
			break;
		o.text = json_string_value(value);
		if (o.text)
			o.kind = REPORT_TEXT_OPTION;
		else if (json_is_number(value))
			o.kind = REPORT_NUMBER_OPTION;
		else if (json_is_boolean(value))
			o.kind = REPORT_BOOL_OPTION;
		r->options[r->option_count++] = o;
	}
}

static int by_begin(const void *a, const void *b)
{
	const struct report_mark *m = a, *n = b;

	return (m->begin_s > n->begin_s) - (m->begin_s < n->begin_s);
}

static void keep(json_t **place, json_t *object)
{
	json_decref(*place);
	*place = json_incref(object);
}

void report_take(struct run *r, json_t *object)
{
	const char *type = text_at(object, "type");

	if (strcmp(type, "start") == 0)
		keep(&r->start, object);
	else if (strcmp(type, "probe") == 0)
		take_probe(r, object);
	else if (strcmp(type, "event") == 0)
		take_event(r, object);
	else if (strcmp(type, "interval") == 0)
		take_interval(r, object);
	else if (strcmp(type, "result") == 0)
		keep(&r->result, object);
	else if (strcmp(type, "error") == 0)
		keep(&r->error, object);
}

void report_take_end(struct run *r)
{
	if (r->result) {
		take_times(r);
		take_outages(r);
	}
	take_options(r);
	qsort(r->marks, r->mark_count, sizeof(r->marks[0]), by_begin);
	double end_s = report_run_end_s(r);
	for (size_t i = 0; i < r->mark_count; i++) {
		if (r->marks[i].goes_on)
			r->marks[i].end_s = fmax(r->marks[i].end_s, end_s);
	}
	if (r->mark_count == REPORT_MARKS_MAX)
		report_notes_add(&r->notes, _("Of outages, stalls and damages the first %d are shown."),
		                 REPORT_MARKS_MAX);
	if (!r->result)
		r->guess = report_guess(r);
}
