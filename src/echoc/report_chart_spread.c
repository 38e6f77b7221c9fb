/* The charts of how the times spread: the percentile curve and the histogram. */
#include <math.h>
#include <string.h>

#include "report_chart.h"
#include "report_markup.h"
#include "words.h"

#define BAR_LEAST 1.5 /* pixels that a bar of one sample is high, among however many */

/* 10 of the rank's axis is 90 %, 100 is 99 %, and so on. */
static void label_rank(char text[REPORT_WORD_MAX], const struct report_axis *a, double rank)
{
	int nines = (int)lround(log10(rank));

	(void)a;
	snprintf(text, REPORT_WORD_MAX, "%.*f %%", nines > 2 ? nines - 2 : 0, 100 - 100 / rank);
}

static void label_share(char text[REPORT_WORD_MAX], const struct report_axis *a, double share)
{
	(void)a;
	snprintf(text, REPORT_WORD_MAX, "%.6g %%", share);
}

static void fit_rank(struct report_axis *a)
{
	a->tick[a->ticks++] = 1;
	if (a->high >= 2)
		a->tick[a->ticks++] = 2;
	double rank = 10;
	while (rank <= a->high * 1.0001) {
		a->tick[a->ticks++] = rank;
		rank *= 10;
	}
}

/*
 * The curve of one run: each bucket lies between the rank of the samples below it and that with its own; the last one
 * ends where the samples do, at one in so many.
 */
static void put_curve(const struct report_chart *c, const struct run *r, size_t number)
{
	const struct histogram *h = &r->times;
	double whole = (double)h->count, below = 0, x = 0, y = 0;
	struct report_pen pen;

	report_pen_begin(&pen, c->f, "line", number);
	for (uint64_t i = 0; i < HISTOGRAM_BUCKETS && h->count > 0; i++) {
		if (h->bucket[i] == 0)
			continue;
		y = report_axis_at(&c->y, fmin((double)histogram_upper_ns(i), (double)h->max_ns));
		report_pen_to(&pen, report_axis_at(&c->x, whole / (whole - below)), y);
		below += (double)h->bucket[i];
		x = report_axis_at(&c->x, below < whole ? whole / (whole - below) : whole);
		report_pen_to(&pen, x, y);
	}
	report_pen_end(&pen);
	if (h->count > 0)
		fprintf(c->f, "<circle class=\"dot c%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>\n", number % REPORT_COLOURS,
		        x, y);
}

/* What all runs have timed; where that differs, no more than that it is a time. */
static const char *name_times(const struct report_set *set)
{
	const char *name = report_times_name(set->runs[0]);

	for (size_t i = 1; i < set->count; i++) {
		if (strcmp(report_times_name(set->runs[i]), name) != 0)
			return _("time");
	}
	return name;
}

void report_chart_percentiles(FILE *f, const struct report_scale *s, const struct report_set *set)
{
	struct report_axis rank = s->rank;
	struct report_chart c;
	char axis[REPORT_NAME_MAX];

	fit_rank(&rank);
	report_chart_begin(&c, f, REPORT_CHART_WIDE, &rank, &s->value, _("Percentiles"),
	                   _("The time that a share of the round trips did not exceed, for each run; the axis of the "
	                     "share is logarithmic towards 100 %."));
	report_words_axis(axis, name_times(set), s->value.is_log);
	report_chart_grid(&c, label_rank, report_chart_label_time, _("share of the round trips that took no longer"),
	                  axis);
	for (size_t i = 0; i < set->count; i++)
		put_curve(&c, set->runs[i], i);
	report_chart_end(&c);
}

static void put_bars(const struct report_chart *c, const struct report_scale *s, const struct run *r, size_t number)
{
	uint64_t bin[REPORT_BINS_MAX];
	double width = (c->x2 - c->x1) / (double)s->bins;

	report_scale_count(s, r, bin);
	for (size_t i = 0; i < s->bins; i++) {
		if (bin[i] == 0)
			continue;
		double share = 100 * (double)bin[i] / (double)r->times.count;
		double top = fmin(report_axis_at(&c->y, share), c->y2 - BAR_LEAST);
		fprintf(c->f, "<rect class=\"bar c%zu\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>",
		        number % REPORT_COLOURS, c->x1 + (double)i * width + 0.5, top, width - 1, c->y2 - top);
		report_markup_print(c->f, "%llu (%.3g %%)", (unsigned long long)bin[i], share);
		fputs("</title></rect>\n", c->f);
	}
}

static void put_percentile(const struct report_chart *c, const struct run *r, uint64_t share, const char *name)
{
	double x = report_axis_at(&c->x, (double)histogram_at(&r->times, share));

	bool is_left = x < (c->x1 + c->x2) / 2;

	report_markup_line(c->f, "percentile", x, c->y1, x, c->y2);
	report_markup_label(c->f, "name", is_left ? "start" : "end", is_left ? x + 6 : x - 6, c->y1 + 12, name);
}

void report_chart_histogram(FILE *f, const struct report_scale *s, const struct run *r, size_t number, int width)
{
	struct report_chart c;
	char axis[REPORT_NAME_MAX];

	report_chart_begin(&c, f, width, &s->bin_ns, &s->share, _("Histogram"),
	                   _("The share of the round trips that took so long; the axis of the time is logarithmic."));
	report_words_axis(axis, report_times_name(r), true);
	report_chart_grid(&c, report_chart_label_time, label_share, axis, _("share of the round trips"));
	if (r->times.count > 0) {
		put_bars(&c, s, r, number);
		put_percentile(&c, r, 50000, _("median"));
	}
	report_chart_end(&c);
}
