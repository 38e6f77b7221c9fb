#include "report_html.h"

#include <string.h>

#include "must.h"
#include "report_html_parts.h"
#include "report_markup.h"
#include "report_style.h"
#include "report_words.h"
#include "text.h"
#include "words.h"

static void title_of(char title[REPORT_NAME_MAX], const struct report_set *set)
{
	if (set->count == 1)
		report_words_text(title, set->runs[0], "options.address", true);
	else
		snprintf(title, REPORT_NAME_MAX, ngettext("%zu run compared", "%zu runs compared", set->count),
		         set->count);
}

static void put_head(FILE *f, const char *title)
{
	fprintf(f,
	        "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"%s\">\n<head>\n"
	        "<meta charset=\"utf-8\"/>\n<meta http-equiv=\"Content-Security-Policy\" "
	        "content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n"
	        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
	        "<meta name=\"generator\" content=\"echoc " ECHOD_VERSION "\"/>\n<title>",
	        _("en")); /* TRANSLATORS: the code of the language, as the page has it */
	report_markup_print(f, "%s – echoc report", title);
	fprintf(f, "</title>\n<style>\n%s</style>\n</head>\n<body>\n", report_style);
}

/* ---- what each run was */

static void put_run(FILE *f, const struct report_set *set, size_t number)
{
	const struct run *r = set->runs[number];
	char file[REPORT_NAME_MAX], options[REPORT_NAME_MAX], started[REPORT_NAME_MAX], address[REPORT_NAME_MAX],
	    origin[REPORT_NAME_MAX];

	text_escape_utf8(file, sizeof(file), r->file, strlen(r->file));
	report_words_text(address, r, "options.address", true);
	report_words_options(options, r);
	report_words_started(started, r, true);
	report_words_origin(origin, r, true);
	fputs("<tr><th scope=\"row\">", f);
	report_html_chip(f, number);
	fprintf(f, "%zu</th>", number + 1);
	report_markup_element(f, "td", "word", report_words_kind(r));
	report_markup_element(f, "td", "address", address);
	fputs("<td>", f);
	report_markup_element(f, "div", "when", started);
	report_markup_text(f, origin);
	fputs("</td>", f);
	fputs("<td>", f);
	report_markup_element(f, "code", NULL, options);
	fputs("</td><td>", f);
	report_markup_element(f, "code", NULL, file);
	fputs("</td></tr>\n", f);
}

static void put_runs(FILE *f, const struct report_set *set)
{
	const char *const heads[] = {_("run"), _("kind"), _("address"), _("measured"), _("options"), _("file")};

	fputs("<section>\n<table class=\"runs\">\n<tr>", f);
	for (size_t i = 0; i < array_size(heads); i++) {
		fputs("<th scope=\"col\">", f);
		report_markup_text(f, heads[i]);
		fputs("</th>", f);
	}
	fputs("</tr>\n", f);
	for (size_t i = 0; i < set->count; i++)
		put_run(f, set, i);
	fputs("</table>\n</section>\n", f);
}

/* ---- what is to be known about them */

static void put_list(FILE *f, const struct report_notes *notes)
{
	for (size_t i = 0; i < notes->count; i++) {
		report_markup_element(f, "li", NULL, notes->text[i]);
		fputc('\n', f);
	}
}

static void put_notes(FILE *f, const struct report_set *set)
{
	size_t count = set->errors.count;

	for (size_t i = 0; i < set->count; i++)
		count += set->runs[i]->notes.count;
	if (count == 0)
		return;
	fputs("<section class=\"notes\">\n<ul>\n", f);
	put_list(f, &set->errors);
	for (size_t i = 0; i < set->count; i++)
		put_list(f, &set->runs[i]->notes);
	fputs("</ul>\n</section>\n", f);
}

void report_html(FILE *f, const struct report_set *set)
{
	char title[REPORT_NAME_MAX];

	title_of(title, set);
	put_head(f, title);
	report_html_patterns(f);
	fputs("<main>\n", f);
	report_markup_element(f, "h1", NULL, title);
	put_runs(f, set);
	put_notes(f, set);
	report_html_key(f, set);
	report_html_figures(f, set);
	report_html_numbers(f, set);
	fputs("<footer>", f);
	report_markup_print(f,
	                    _("Made by echoc %s report. Whatever stands in this page is also in what --json prints."),
	                    ECHOD_VERSION);
	fputs("</footer>\n</main>\n</body>\n</html>\n", f);
}
