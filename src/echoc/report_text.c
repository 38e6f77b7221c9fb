#include "report_text.h"

#include <string.h>

#include "report_numbers.h"
#include "report_words.h"
#include "text.h"
#include "words.h"

#define GAP 2

static void put_run(FILE *f, const struct run *r, size_t number, bool utf8)
{
	char address[REPORT_NAME_MAX], started[REPORT_NAME_MAX], origin[REPORT_NAME_MAX];
	char options[REPORT_NAME_MAX], file[REPORT_NAME_MAX];

	report_words_text(address, r, "options.address", utf8);
	report_words_started(started, r, utf8);
	report_words_origin(origin, r, utf8);
	report_words_options(options, r);
	text_escape_utf8(file, sizeof(file), r->file, strlen(r->file));
	fprintf(f, "%zu  %s  %s  (%s)\n   %s  %s\n", number + 1, report_words_kind(r), address, file, origin, started);
	if (*options)
		fprintf(f, "   %s\n", options);
	fprintf(f, "   %s\n", report_times_name(r));
}

static void put_spaces(FILE *f, size_t n)
{
	fprintf(f, "%*s", (int)n, "");
}

static void put_cell(FILE *f, const char *text, size_t width)
{
	size_t used = words_width(text);

	put_spaces(f, GAP + (used < width ? width - used : 0));
	fputs(text, f);
}

/* Columns of the widest text among the numbers of a run, and of the widest label. */
static size_t measure_run(const struct run *r, bool utf8)
{
	char text[REPORT_WORD_MAX];
	size_t widest = 0;

	for (size_t i = 0; i < report_row_count; i++) {
		report_words_number(text, report_number(r, &report_rows[i]), report_rows[i].unit, utf8);
		size_t width = words_width(text);
		widest = width > widest ? width : widest;
	}
	return widest;
}

static size_t measure_labels(const struct report_set *set)
{
	size_t widest = 0;

	for (size_t i = 0; i < report_row_count; i++) {
		size_t width = words_width(_(report_rows[i].label));
		if (width > widest && report_row_is_known(set, &report_rows[i]))
			widest = width;
	}
	return widest;
}

static void put_row(FILE *f, const struct report_set *set, const struct report_row *row, size_t labels,
                    const size_t widths[], bool utf8)
{
	char text[REPORT_WORD_MAX];
	const char *label = _(row->label);

	fprintf(f, "  %s", label);
	put_spaces(f, labels - words_width(label));
	for (size_t i = 0; i < set->count; i++) {
		report_words_number(text, report_number(set->runs[i], row), row->unit, utf8);
		put_cell(f, text, widths[i]);
	}
	fputc('\n', f);
}

static void put_numbers(FILE *f, const struct report_set *set, bool utf8)
{
	size_t widths[REPORT_RUNS_MAX], labels = measure_labels(set);
	const char *heading = NULL;
	char number[REPORT_WORD_MAX];

	for (size_t i = 0; i < set->count; i++)
		widths[i] = measure_run(set->runs[i], utf8);
	if (set->count > 1)
		put_spaces(f, labels + 2);
	for (size_t i = 0; i < set->count && set->count > 1; i++) {
		snprintf(number, sizeof(number), "%zu", i + 1);
		put_cell(f, number, widths[i]);
	}
	fputs(set->count > 1 ? "\n" : "", f);
	for (size_t i = 0; i < report_row_count; i++) {
		if (report_rows[i].heading)
			heading = report_rows[i].heading;
		if (!report_row_is_known(set, &report_rows[i]))
			continue;
		if (heading)
			fprintf(f, "%s\n", _(heading));
		heading = NULL;
		put_row(f, set, &report_rows[i], labels, widths, utf8);
	}
}

/* The outages and stalls of a run, a line each, and how many there are beyond those that a screen has room for. */
static void put_marks(FILE *f, const struct run *r, size_t number)
{
	size_t left = report_run_interruptions(r), room = REPORT_MARKS_LISTED;
	char text[REPORT_NAME_MAX];

	for (size_t i = 0; i < r->mark_count && room > 0; i++) {
		if (r->marks[i].kind == REPORT_WARM_UP)
			continue;
		left--;
		room--;
		report_words_span(text, &r->marks[i]);
		fprintf(f, "%zu  %s\n", number + 1, text);
	}
	report_words_more(text, left);
	if (left > 0)
		fprintf(f, "%zu  %s\n", number + 1, text);
}

static void put_notes(FILE *f, const struct report_notes *notes)
{
	for (size_t i = 0; i < notes->count; i++)
		fprintf(f, "%s\n", notes->text[i]);
}

void report_text(FILE *f, const struct report_set *set)
{
	bool utf8 = words_are_utf8();

	for (size_t i = 0; i < set->count; i++)
		put_run(f, set->runs[i], i, utf8);
	fputc('\n', f);
	put_numbers(f, set, utf8);
	for (size_t i = 0; i < set->count; i++)
		put_marks(f, set->runs[i], i);
	put_notes(f, &set->errors);
	for (size_t i = 0; i < set->count; i++)
		put_notes(f, &set->runs[i]->notes);
}
