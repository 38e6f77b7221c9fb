#include "report_series.h"

#include <math.h>

#define WIDTH_LEAST_S 0.001

void report_series_init(struct report_series *s)
{
	*s = (struct report_series){.width_s = WIDTH_LEAST_S};
}

static void merge(struct report_column *into, const struct report_column *from)
{
	if (from->missed && !into->missed)
		into->missed_s = from->missed_s;
	into->missed += from->missed;
	if (from->count == 0)
		return;
	if (into->count == 0 || from->min_ns < into->min_ns) {
		into->min_ns = from->min_ns;
		into->min_s = from->min_s;
	}
	if (into->count == 0 || from->max_ns > into->max_ns) {
		into->max_ns = from->max_ns;
		into->max_s = from->max_s;
	}
	into->count += from->count;
	into->sum_ns += from->sum_ns;
}

static void widen(struct report_series *s)
{
	s->width_s *= 2;
	for (size_t i = 0; i < REPORT_COLUMNS; i++) {
		struct report_column both = {0};
		if (i < REPORT_COLUMNS / 2) {
			merge(&both, &s->column[2 * i]);
			merge(&both, &s->column[2 * i + 1]);
		}
		s->column[i] = both;
	}
}

bool report_series_add(struct report_series *s, double at_s, double ns)
{
	struct report_column one = {.missed = 1, .missed_s = at_s};

	if (!(at_s >= 0 && at_s <= REPORT_SECONDS_MAX))
		return false;
	if (!isnan(ns))
		one = (struct report_column){
		    .count = 1, .min_ns = ns, .max_ns = ns, .sum_ns = ns, .min_s = at_s, .max_s = at_s};
	while (at_s >= s->width_s * REPORT_COLUMNS)
		widen(s);
	merge(&s->column[(size_t)(at_s / s->width_s)], &one);
	s->count += one.count;
	if (at_s > s->end_s)
		s->end_s = at_s;
	return true;
}

size_t report_series_columns(const struct report_series *s)
{
	size_t n = REPORT_COLUMNS;

	while (n > 0 && s->column[n - 1].count == 0 && s->column[n - 1].missed == 0)
		n--;
	return n;
}

bool report_series_is_whole(const struct report_series *s)
{
	for (size_t i = 0; i < REPORT_COLUMNS; i++) {
		if (s->column[i].count > 1)
			return false;
	}
	return true;
}
