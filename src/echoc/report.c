#include "report.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "failure.h"
#include "program.h"
#include "report_hgrm.h"
#include "report_html.h"
#include "report_json.h"
#include "report_output.h"
#include "report_read.h"
#include "report_text.h"
#include "words.h"

/* Whether a person would get the page itself on a terminal: then it is text. */
static bool is_for_eyes(const struct report_options *o)
{
	return o->format == REPORT_UNTOLD && !o->output && isatty(STDOUT_FILENO);
}

static void check(const struct options *o)
{
	if (o->json && o->report.format != REPORT_UNTOLD)
		program_usage(ECHOC, _("--json and --html, --text or --hgrm exclude each other: give one of them."));
}

static void put(FILE *f, const struct options *o, const struct report_set *set, enum status status)
{
	if (o->json) {
		report_json(f, set, status);
		return;
	}
	switch (o->report.format) {
	case REPORT_UNTOLD:
		if (is_for_eyes(&o->report))
			report_text(f, set);
		else
			report_html(f, set);
		break;
	case REPORT_HTML: report_html(f, set); break;
	case REPORT_TEXT: report_text(f, set); break;
	case REPORT_HGRM: report_hgrm(f, set->runs[0]); break;
	}
}

static int deliver(const struct options *o, const struct report_set *set, enum status status)
{
	char *data = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&data, &len);

	if (!f)
		return -ENOMEM;
	put(f, o, set, status);
	int err = fclose(f) == 0 ? 0 : -ENOMEM;
	if (!err)
		err =
		    o->report.output ? report_output_file(o->report.output, data, len) : report_output_print(data, len);
	free(data);
	return err;
}

/* What the files' reading came to is said; then nothing of them may be lost. */
static enum status write_report(const struct options *o, const struct report_set *set, enum status status)
{
	if (set->count > 1 && o->report.format == REPORT_HGRM)
		program_usage(ECHOC, _("--hgrm takes one run, and the file holds %zu: give each a file of its own."),
		              set->count);
	int err = deliver(o, set, status);
	if (err) {
		program_say(ECHOC, _("cannot write the report to %s: %s."),
		            o->report.output ? o->report.output : _("standard output"), words_error(-err));
		return STATUS_LOST;
	}
	if (is_for_eyes(&o->report) && !o->json && !o->quiet)
		program_say(ECHOC, _("give -o run.html for a page with charts."));
	return status;
}

enum status report_run(const struct options *o)
{
	struct report_set set = {0};
	enum status status = STATUS_FINE;

	check(o);
	for (int i = 0; i < o->report.file_count; i++) {
		if (report_read(&set, o->report.files[i]) != STATUS_FINE)
			status = STATUS_LOST;
	}
	bool shows_notes = o->report.format == REPORT_TEXT || is_for_eyes(&o->report);
	if (!o->quiet && !shows_notes)
		report_read_say(&set);
	if (set.count > 0)
		status = write_report(o, &set, status);
	else if (o->json)
		failure_json(stdout, options_schema(MODE_REPORT), (int)status, NULL,
		             set.errors.count ? set.errors.text[0] : "");
	report_read_fini(&set);
	return status;
}
