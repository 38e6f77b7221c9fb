#include "report_scale.h"

#include <math.h>
#include <string.h>

#define LOG_FROM  20   /* times: where the longest is so many of the shortest, a linear axis would show only that one */
#define BIN_LEAST 0.02 /* of a bin's value: a histogram's bucket is up to 0.001 wide */

struct range {
	double low, high;
};

static void stretch(struct range *r, double low, double high)
{
	r->low = fmin(r->low, low);
	r->high = fmax(r->high, high);
}

static void stretch_to_series(struct range *r, const struct report_series *s)
{
	for (size_t i = 0; i < report_series_columns(s); i++) {
		if (s->column[i].count > 0)
			stretch(r, s->column[i].min_ns, s->column[i].max_ns);
	}
}

/* What no logarithm can be taken of stands at a nanosecond. */
static void fit_times(struct report_axis *a, const struct range *r, size_t most)
{
	double low = fmax(r->low, 1), high = fmax(r->high, low);
	bool is_log = high > LOG_FROM * low;

	report_axis_fit(a, is_log ? low : 0, high, is_log, most);
}

static void fit_bins(struct report_scale *s, const struct report_set *set, const struct range *times, bool narrow)
{
	double low = fmax(times->low, 1), most_share = 0;

	report_axis_fit(&s->bin_ns, low, fmax(times->high, low), true, narrow ? 8 : 16);
	double bins = log(s->bin_ns.high / s->bin_ns.low) / BIN_LEAST;
	size_t room = narrow ? REPORT_BINS_MAX / 2 : REPORT_BINS_MAX;
	s->bins = bins < (double)room ? (size_t)bins : room;
	for (size_t i = 0; i < set->count; i++) {
		uint64_t bin[REPORT_BINS_MAX];
		report_scale_count(s, set->runs[i], bin);
		for (size_t n = 0; n < s->bins && set->runs[i]->times.count > 0; n++)
			most_share = fmax(most_share, 100 * (double)bin[n] / (double)set->runs[i]->times.count);
	}
	report_axis_fit(&s->share, 0, most_share, false, 6);
	s->share.high = fmin(s->share.high, 100);
}

void report_scale_fit(struct report_scale *s, const struct report_set *set, bool narrow)
{
	struct range trips = {INFINITY, 0}, times = {INFINITY, 0};
	double end_s = 0, samples = 2;

	*s = (struct report_scale){0};
	for (size_t i = 0; i < set->count; i++) {
		const struct run *r = set->runs[i];
		end_s = fmax(end_s, report_run_end_s(r));
		stretch_to_series(&trips, &r->trips);
		stretch_to_series(&trips, &r->tails);
		samples = fmax(samples, (double)r->times.count);
		if (r->times.count > 0)
			stretch(&times, (double)r->times.min_ns, (double)r->times.max_ns);
	}
	s->has_trips = trips.low <= trips.high;
	s->has_times = times.low <= times.high;
	report_axis_fit_seconds(&s->seconds, end_s, narrow ? 7 : 13);
	if (!s->has_trips)
		trips = (struct range){0, 1e6}; /* outages are drawn all the same */
	fit_times(&s->trip, &trips, 12);
	if (!s->has_times)
		return;
	fit_times(&s->value, &times, 12);
	s->rank = (struct report_axis){.is_log = true, .low = 1, .high = samples};
	fit_bins(s, set, &times, narrow);
}

void report_scale_count(const struct report_scale *s, const struct run *r, uint64_t bin[REPORT_BINS_MAX])
{
	struct report_axis a = s->bin_ns;

	a.from = 0;
	a.to = (double)s->bins;
	memset(bin, 0, REPORT_BINS_MAX * sizeof(bin[0]));
	for (uint64_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (r->times.bucket[i] == 0)
			continue;
		double upper = fmin((double)histogram_upper_ns(i), (double)r->times.max_ns);
		size_t at = (size_t)report_axis_at(&a, fmax(upper, (double)r->times.min_ns));
		bin[at < s->bins ? at : s->bins - 1] += r->times.bucket[i];
	}
}
