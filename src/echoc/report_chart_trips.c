/* The chart of times over time, with what interrupted the run. */
#include <math.h>

#include "report_chart.h"
#include "report_markup.h"
#include "words.h"

#define DOTS_MAX     80 /* samples that are shown as dots, too */
#define MARK_LEAST   2  /* pixels that a mark is wide at least */
#define MISSED_APART 7  /* pixels between two crosses */
#define MARK_NAMED   56 /* pixels where its name finds room */

static void label_seconds(char text[REPORT_WORD_MAX], const struct report_axis *a, double at_s)
{
	report_words_moment(text, at_s, a->step);
}

static const char *mark_class(enum report_mark_kind kind)
{
	switch (kind) {
	case REPORT_OUTAGE: return "outage";
	case REPORT_STALL: return "stall";
	case REPORT_DAMAGE: return "damage";
	case REPORT_HELD_UP: return "held-up";
	case REPORT_WARM_UP: return "warm-up";
	}
	return "";
}

static void put_mark(const struct report_chart *c, const struct report_mark *m)
{
	double x1 = report_axis_at(&c->x, m->begin_s), x2 = report_axis_at(&c->x, m->end_s);
	double width = fmax(x2 - x1, MARK_LEAST);
	const char *name = report_words_mark(m->kind);
	char span[REPORT_NAME_MAX];

	if (x1 + width > c->x2)
		x1 = c->x2 - width;
	fprintf(c->f, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>",
	        mark_class(m->kind), x1, c->y1, width, c->y2 - c->y1);
	report_words_span(span, m);
	report_markup_text(c->f, span);
	fputs("</title></rect>\n", c->f);
	if (width >= MARK_NAMED)
		report_markup_label(c->f, "name", "middle", x1 + width / 2, c->y1 + 14, name);
}

/* Those of a kind that would stand on the same pixels as the one before are drawn with it. */
static void put_marks(const struct report_chart *c, const struct run *r)
{
	for (size_t i = 0; i < r->mark_count; i++) {
		struct report_mark m = r->marks[i];
		double x = report_axis_at(&c->x, fmax(m.end_s, m.begin_s)) + MARK_LEAST;
		while (i + 1 < r->mark_count && r->marks[i + 1].kind == m.kind &&
		       report_axis_at(&c->x, r->marks[i + 1].begin_s) < x && r->marks[i + 1].begin_s >= m.begin_s) {
			m.end_s = fmax(m.end_s, r->marks[++i].end_s);
			x = report_axis_at(&c->x, m.end_s) + MARK_LEAST;
		}
		put_mark(c, &m);
	}
}

/* Whether no line may join what came before and after: something in between did not come back. */
static bool is_broken(const struct run *r, double from_s, double to_s)
{
	for (size_t i = 0; i < r->mark_count; i++) {
		if (r->marks[i].kind == REPORT_OUTAGE && r->marks[i].begin_s < to_s && r->marks[i].end_s > from_s)
			return true;
	}
	return false;
}

/* The line of the means; where each column is one sample, that is all there is. */
static void put_line(const struct report_chart *c, const struct run *r, const struct report_series *s,
                     const char *class, size_t number)
{
	struct report_pen pen;
	double last_s = 0;

	report_pen_begin(&pen, c->f, class, number);
	for (size_t i = 0; i < report_series_columns(s); i++) {
		const struct report_column *column = &s->column[i];
		if (column->count == 0 && column->missed > 0)
			report_pen_up(&pen);
		if (column->count == 0)
			continue;
		double at_s = (column->min_s + column->max_s) / 2;
		if (is_broken(r, last_s, at_s))
			report_pen_up(&pen);
		report_pen_to(&pen, report_axis_at(&c->x, at_s),
		              report_axis_at(&c->y, column->sum_ns / (double)column->count));
		last_s = at_s;
	}
	report_pen_end(&pen);
}

/* From the shortest to the longest of each column, so that no spike is lost. */
static void put_spread(const struct report_chart *c, const struct report_series *s, size_t number)
{
	struct report_pen pen;

	report_pen_begin(&pen, c->f, "spread", number);
	for (size_t i = 0; i < report_series_columns(s); i++) {
		const struct report_column *column = &s->column[i];
		if (column->count < 2)
			continue;
		double x = report_axis_at(&c->x, (column->min_s + column->max_s) / 2);
		report_pen_to(&pen, x, report_axis_at(&c->y, column->min_ns) + 0.5);
		report_pen_to(&pen, x, report_axis_at(&c->y, column->max_ns) - 0.5);
		report_pen_up(&pen);
	}
	report_pen_end(&pen);
}

static void put_dots(const struct report_chart *c, const struct report_series *s, size_t number)
{
	for (size_t i = 0; i < report_series_columns(s); i++) {
		const struct report_column *column = &s->column[i];
		if (column->count > 0)
			fprintf(c->f, "<circle class=\"dot c%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.2\"/>\n",
			        number % REPORT_COLOURS, report_axis_at(&c->x, column->min_s),
			        report_axis_at(&c->y, column->min_ns));
	}
}

/* A cross at the top for what did not come back. */
static void put_missed(const struct report_chart *c, const struct report_series *s)
{
	double last = -10;

	for (size_t i = 0; i < report_series_columns(s); i++) {
		double x = report_axis_at(&c->x, s->column[i].missed_s);
		if (s->column[i].missed == 0 || x - last < MISSED_APART)
			continue;
		fprintf(c->f, "<path class=\"missed\" d=\"M%.1f %.1fl5 5m0 -5l-5 5\"/>\n", x - 2.5, c->y1 - 6);
		last = x;
	}
}

void report_chart_trips(FILE *f, const struct report_scale *s, const struct run *r, size_t number, int width)
{
	struct report_chart c;
	char axis[REPORT_NAME_MAX];
	bool whole = report_series_is_whole(&r->trips);

	report_chart_begin(&c, f, width, &s->seconds, &s->trip, _("Times over time"),
	                   _("Each time of the run at the moment when it was taken; outages and stalls are marked."));
	put_marks(&c, r);
	report_words_axis(axis, report_times_name(r), s->trip.is_log);
	report_chart_grid(&c, label_seconds, report_chart_label_time, _("since the start"), axis);
	if (!whole)
		put_spread(&c, &r->trips, number);
	put_line(&c, r, &r->trips, "line over-time", number);
	if (r->kind == REPORT_LOAD)
		put_line(&c, r, &r->tails, "line over-time tail", number);
	if (whole && r->trips.count <= DOTS_MAX)
		put_dots(&c, &r->trips, number);
	if (r->kind == REPORT_PING)
		put_missed(&c, &r->trips);
	report_chart_end(&c);
}
