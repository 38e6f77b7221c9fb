/* The numbers of a report's page. */
#include <math.h>
#include <string.h>

#include "must.h"
#include "report_html_parts.h"
#include "report_markup.h"
#include "report_numbers.h"
#include "report_words.h"
#include "words.h"

#define MANY 3 /* runs, from which on the tables need the whole width */

static const struct report_row *find_row(const char *key)
{
	for (size_t i = 0; i < report_row_count; i++) {
		if (strcmp(report_rows[i].key, key) == 0)
			return &report_rows[i];
	}
	return NULL;
}

/* ---- those that are looked at first */

static void put_key_number(FILE *f, const struct report_set *set, size_t i, const struct report_row *row, bool is_bad)
{
	char text[REPORT_WORD_MAX];
	double number = report_number(set->runs[i], row);

	report_words_number(text, number, row->unit, true);
	fprintf(f, "<p%s>", is_bad && number > 0 ? " class=\"bad\"" : "");
	if (set->count > 1)
		report_html_chip(f, i);
	report_markup_text(f, text);
	fputs("</p>", f);
}

static void put_key(FILE *f, const struct report_set *set, const char *key, const char *label, bool is_bad)
{
	const struct report_row *row = find_row(key);

	if (!row || !report_row_is_known(set, row))
		return;
	fputs("<div>", f);
	report_markup_element(f, "h2", NULL, label);
	for (size_t i = 0; i < set->count; i++)
		put_key_number(f, set, i, row, is_bad);
	fputs("</div>\n", f);
}

void report_html_key(FILE *f, const struct report_set *set)
{
	fprintf(f, "<div class=\"key%s\">\n", set->count > 1 ? " many" : "");
	put_key(f, set, "p50_ns", _("median"), false);
	put_key(f, set, "p99_ns", /* xgettext:no-c-format */ _("99 % took at most"), false);
	put_key(f, set, "max_ns", _("longest"), false);
	put_key(f, set, "echoed", _("came back"), false);
	put_key(f, set, "lost", _("lost"), true);
	put_key(f, set, "downtime_s", _("not connected for"), true);
	put_key(f, set, "messages_per_s", _("messages"), false);
	fputs("</div>\n", f);
}

/* ---- all of them */

static void put_head(FILE *f, const struct report_set *set)
{
	fputs("<tr><th></th>", f);
	for (size_t i = 0; i < set->count; i++) {
		fputs("<th scope=\"col\">", f);
		report_html_chip(f, i);
		fprintf(f, "%zu</th>", i + 1);
	}
	fputs("</tr>\n", f);
}

static void put_row(FILE *f, const struct report_set *set, const struct report_row *row)
{
	char text[REPORT_WORD_MAX];

	fputs("<tr><th scope=\"row\">", f);
	report_markup_text(f, _(row->label));
	fputs("</th>", f);
	for (size_t i = 0; i < set->count; i++) {
		double number = report_number(set->runs[i], row);
		report_words_number(text, number, row->unit, true);
		if (row->unit == REPORT_NS && !isnan(number))
			fprintf(f, "<td title=\"%.0f ns\">", number);
		else
			fputs("<td>", f);
		report_markup_text(f, text);
		fputs("</td>", f);
	}
	fputs("</tr>\n", f);
}

/* The rows from the one that has a heading to the next one that has. Returns where that is. */
static size_t put_group(FILE *f, const struct report_set *set, size_t first)
{
	size_t next = first + 1, known = 0;

	while (next < report_row_count && !report_rows[next].heading)
		next++;
	for (size_t i = first; i < next; i++)
		known += report_row_is_known(set, &report_rows[i]);
	if (known == 0)
		return next;
	fputs("<section>\n", f);
	report_markup_element(f, "h2", NULL, _(report_rows[first].heading));
	fputs("\n<table>\n", f);
	if (set->count > 1)
		put_head(f, set);
	for (size_t i = first; i < next; i++) {
		if (report_row_is_known(set, &report_rows[i]))
			put_row(f, set, &report_rows[i]);
	}
	fputs("</table>\n</section>\n", f);
	return next;
}

/* ---- outages and stalls */

static void put_mark(FILE *f, const struct report_set *set, size_t number, const struct report_mark *m)
{
	char begin[REPORT_WORD_MAX], lasted[REPORT_WORD_MAX];

	report_words_number(begin, m->begin_s, REPORT_SECONDS, true);
	report_words_number(lasted, m->end_s - m->begin_s, REPORT_SECONDS, true);
	fputs("<tr><th scope=\"row\">", f);
	if (set->count > 1)
		report_html_chip(f, number);
	report_markup_text(f, report_words_mark(m->kind));
	fputs("</th><td>", f);
	report_markup_print(f, _("from %s"), begin);
	fputs("</td><td>", f);
	report_markup_print(f, m->goes_on ? _("for %s, to the end") : _("for %s"), lasted);
	fputs("</td></tr>\n", f);
}

/* The first of them; the chart and the JSON have all. */
static void put_marks(FILE *f, const struct report_set *set)
{
	size_t shown = 0, all = 0;
	char more[REPORT_NAME_MAX];

	for (size_t i = 0; i < set->count; i++)
		all += report_run_interruptions(set->runs[i]);
	if (all == 0)
		return;
	fputs("<section>\n", f);
	report_markup_element(f, "h2", NULL, _("Outages and stalls"));
	fputs("\n<table>\n", f);
	for (size_t i = 0; i < set->count; i++) {
		for (size_t n = 0; n < set->runs[i]->mark_count && shown < REPORT_MARKS_LISTED; n++) {
			if (set->runs[i]->marks[n].kind == REPORT_WARM_UP)
				continue;
			put_mark(f, set, i, &set->runs[i]->marks[n]);
			shown++;
		}
	}
	fputs("</table>\n", f);
	report_words_more(more, all - shown);
	if (all > shown)
		report_markup_element(f, "p", "empty", more);
	fputs("</section>\n", f);
}

void report_html_numbers(FILE *f, const struct report_set *set)
{
	fprintf(f, "<div class=\"cards%s\">\n", set->count >= MANY ? " many" : "");
	for (size_t i = 0; i < report_row_count;)
		i = put_group(f, set, i);
	put_marks(f, set);
	fputs("</div>\n", f);
}
