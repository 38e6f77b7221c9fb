/* The charts of a report's page, with their legends. */
#include <stdbool.h>

#include "report_chart.h"
#include "report_html_parts.h"
#include "report_markup.h"
#include "report_numbers.h"
#include "report_words.h"
#include "words.h"

/* Two hatchings that differ in form: lines and dots. */
void report_html_patterns(FILE *f)
{
	fputs("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"0\" height=\"0\" style=\"position:absolute\" "
	      "aria-hidden=\"true\">"
	      "<defs><pattern id=\"outage\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\" "
	      "patternTransform=\"rotate(45)\"><rect class=\"tint-outage\" width=\"8\" height=\"8\"/>"
	      "<line class=\"hatch-outage\" x1=\"0\" y1=\"0\" x2=\"0\" y2=\"8\"/></pattern>"
	      "<pattern id=\"stall\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\">"
	      "<rect class=\"tint-stall\" width=\"8\" height=\"8\"/>"
	      "<circle class=\"hatch-stall\" cx=\"2\" cy=\"2\" r=\"1.3\"/>"
	      "<circle class=\"hatch-stall\" cx=\"6\" cy=\"6\" r=\"1.3\"/></pattern></defs></svg>\n",
	      f);
}

static void begin_chip(FILE *f)
{
	fputs("<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chip\" viewBox=\"0 0 28 12\" aria-hidden=\"true\">",
	      f);
}

void report_html_chip(FILE *f, size_t number)
{
	begin_chip(f);
	fprintf(f, "<path class=\"line c%zu d%zu\" d=\"M2 6H26\"/></svg>", number % REPORT_COLOURS,
	        number % REPORT_DASHES);
}

/* ---- legends */

static void put_name(FILE *f, const struct report_set *set, size_t number)
{
	char file[REPORT_NAME_MAX];

	report_words_file(file, set->runs[number]);
	if (set->count > 1)
		fprintf(f, "%zu ", number + 1);
	report_markup_text(f, file);
	fputs("</span>\n", f);
}

/* In a chart of this run alone. */
static void put_legend_name(FILE *f, const struct report_set *set, size_t number)
{
	fputs("<span>", f);
	put_name(f, set, number);
}

static void put_legend_run(FILE *f, const struct report_set *set, size_t number)
{
	fputs("<span>", f);
	report_html_chip(f, number);
	put_name(f, set, number);
}

static bool has_mark(const struct run *r, enum report_mark_kind kind)
{
	for (size_t i = 0; i < r->mark_count; i++) {
		if (r->marks[i].kind == kind)
			return true;
	}
	return false;
}

static void put_legend_mark(FILE *f, const struct run *r, enum report_mark_kind kind, const char *class)
{
	if (!has_mark(r, kind))
		return;
	fputs("<span>", f);
	begin_chip(f);
	fprintf(f, "<rect class=\"%s\" x=\"2\" y=\"0\" width=\"24\" height=\"12\"/></svg>", class);
	report_markup_text(f, report_words_mark(kind));
	fputs("</span>\n", f);
}

static void put_legend_line(FILE *f, size_t number, const char *class, const char *text)
{
	fputs("<span>", f);
	begin_chip(f);
	fprintf(f, "<path class=\"%s c%zu\" d=\"M2 6H26\"/></svg>", class, number % REPORT_COLOURS);
	report_markup_text(f, text);
	fputs("</span>\n", f);
}

static bool has_missed(const struct run *r)
{
	for (size_t i = 0; i < REPORT_COLUMNS; i++) {
		if (r->trips.column[i].missed > 0)
			return true;
	}
	return false;
}

static void put_legend_missed(FILE *f)
{
	fputs("<span>", f);
	begin_chip(f);
	fputs("<path class=\"missed\" d=\"M11 3l6 6m0 -6l-6 6\"/></svg>", f);
	report_markup_text(f, _("did not come back"));
	fputs("</span>\n", f);
}

static void put_legend_trips(FILE *f, const struct report_set *set, size_t number)
{
	const struct run *r = set->runs[number];

	put_legend_name(f, set, number);
	if (r->kind == REPORT_LOAD) {
		put_legend_line(f, number, "line over-time", _("median of each interval"));
		put_legend_line(f, number, "line over-time tail",
		                /* xgettext:no-c-format */ _("99 % of each interval"));
	} else if (report_series_is_whole(&r->trips)) {
		put_legend_line(f, number, "line over-time", _("each probe"));
	} else {
		put_legend_line(f, number, "line over-time", _("mean, from the shortest to the longest"));
	}
	put_legend_mark(f, r, REPORT_OUTAGE, "outage");
	put_legend_mark(f, r, REPORT_STALL, "stall");
	put_legend_mark(f, r, REPORT_DAMAGE, "damage");
	put_legend_mark(f, r, REPORT_HELD_UP, "held-up");
	put_legend_mark(f, r, REPORT_WARM_UP, "warm-up");
	if (r->kind == REPORT_PING && has_missed(r))
		put_legend_missed(f);
}

/* ---- figures */

static void begin_figure(FILE *f, const char *title)
{
	fputs("<figure>\n<figcaption>", f);
	report_markup_element(f, "h2", NULL, title);
	fputc('\n', f);
}

static void put_trips(FILE *f, const struct report_scale *s, const struct report_set *set, size_t number, int width)
{
	const struct run *r = set->runs[number];

	begin_figure(f, r->kind == REPORT_PING ? _("Round trips over time") : _("Times over time"));
	put_legend_trips(f, set, number);
	fputs("</figcaption>\n", f);
	if (r->trips.count > 0 || r->mark_count > 0 || has_missed(r))
		report_chart_trips(f, s, r, number, width);
	else
		report_markup_element(f, "p", "empty",
		                      _("The file holds no times over time: --json-stream would have printed them."));
	fputs("</figure>\n", f);
}

static void put_histogram(FILE *f, const struct report_scale *s, const struct report_set *set, size_t number, int width)
{
	begin_figure(f, _("Histogram"));
	put_legend_name(f, set, number);
	fputs("</figcaption>\n", f);
	report_chart_histogram(f, s, set->runs[number], number, width);
	fputs("</figure>\n", f);
}

static void put_percentiles(FILE *f, const struct report_scale *s, const struct report_set *set)
{
	begin_figure(f, _("Percentiles"));
	for (size_t i = 0; i < set->count; i++)
		put_legend_run(f, set, i);
	fputs("</figcaption>\n", f);
	report_chart_percentiles(f, s, set);
	fputs("</figure>\n", f);
}

void report_html_figures(FILE *f, const struct report_set *set)
{
	int width = set->count > 1 ? REPORT_CHART_NARROW : REPORT_CHART_WIDE;
	struct report_scale scale;

	report_scale_fit(&scale, set, set->count > 1);
	fputs("<div class=\"pair\">\n", f);
	for (size_t i = 0; i < set->count; i++)
		put_trips(f, &scale, set, i, width);
	fputs("</div>\n", f);
	if (!scale.has_times)
		return;
	put_percentiles(f, &scale, set);
	fputs("<div class=\"pair\">\n", f);
	for (size_t i = 0; i < set->count; i++)
		put_histogram(f, &scale, set, i, width);
	fputs("</div>\n", f);
}
