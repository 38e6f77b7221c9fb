#include "report_read.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"
#include "program.h"
#include "report_lines.h"
#include "report_take.h"
#include "text.h"
#include "words.h"

#define SCHEMA_KNOWN 1
#define SHOWN_MAX    256
#define HOPELESS     1000 /* lines in a row at the beginning that are none of ours: it is another kind of file */

struct reader {
	struct report_set *set;
	const char *file;
	char shown[SHOWN_MAX]; /* its name, fit to be shown */
	struct report_lines lines;
	struct run *run;                /* that the next object may belong to; NULL: none has begun */
	size_t first;                   /* number of the file's first run in the set */
	uint64_t strange, strange_line; /* how many documents are none of ours; where the first one is, */
	char strange_schema[SHOWN_MAX]; /* and its schema; empty: it has none */
	bool too_many;
};

static void show(char shown[SHOWN_MAX], const char *text)
{
	text_escape_utf8(shown, SHOWN_MAX, text, strlen(text));
}

/* An error of the file as a whole. */
static enum status PRINTF_LIKE(2, 3) fail(struct reader *r, const char *fmt, ...)
{
	char sentence[SHOWN_MAX * 4];
	va_list args;

	va_start(args, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, args);
	va_end(args);
	report_notes_add(&r->set->errors, "%s", sentence);
	program_say(ECHOC, "%s", sentence);
	return STATUS_LOST;
}

/* ---- one object after the other */

/* Takes `echoc.ping/1` apart. Returns 0 or -EINVAL. */
static int parse_schema(const char *text, enum report_kind *kind, unsigned *version)
{
	static const char *const names[] = {[REPORT_PING] = "echoc.ping/", [REPORT_LOAD] = "echoc.load/"};
	uint64_t number;

	for (size_t i = 0; i < array_size(names); i++) {
		size_t len = strlen(names[i]);
		if (strncmp(text, names[i], len) != 0 || number_parse(text + len, 1, UINT32_MAX, &number))
			continue;
		*kind = (enum report_kind)i;
		*version = (unsigned)number;
		return 0;
	}
	return -EINVAL;
}

/* Whether an object of this kind and type is of another run than the one before it. */
static bool begins_run(const struct run *run, enum report_kind kind, const char *type)
{
	if (!run || run->kind != kind || run->result || run->error)
		return true;
	return strcmp(type, "start") == 0 && (run->start || run->seen.sent);
}

static void begin_run(struct reader *r, enum report_kind kind)
{
	if (r->run)
		report_take_end(r->run);
	r->run = NULL;
	r->too_many = r->set->count == REPORT_RUNS_MAX;
	if (r->too_many)
		return;
	r->run = report_run_create(r->file, r->lines.line, kind);
	if (r->run)
		r->set->runs[r->set->count++] = r->run;
}

static void note_strange(struct reader *r, const char *schema)
{
	if (r->strange++ > 0)
		return;
	r->strange_line = r->lines.line;
	show(r->strange_schema, schema ? schema : "");
}

/* Returns 0; -ENOMEM; or -E2BIG where there are too many runs. */
static int take(struct reader *r, json_t *object)
{
	const char *schema = json_string_value(json_object_get(object, "schema"));
	const char *type = json_string_value(json_object_get(object, "type"));
	enum report_kind kind;
	unsigned version;

	if (!schema || !type || parse_schema(schema, &kind, &version)) {
		note_strange(r, schema);
		return 0;
	}
	if (begins_run(r->run, kind, type))
		begin_run(r, kind);
	if (!r->run)
		return r->too_many ? -E2BIG : -ENOMEM;
	if (version > r->run->schema)
		r->run->schema = version;
	report_take(r->run, object);
	return 0;
}

/* Takes all that can be read. Returns how it ended; *err: what take returned. */
static enum report_lines_result take_all(struct reader *r, int *err)
{
	enum report_lines_result result;
	const char *text;
	size_t len;

	*err = 0;
	do {
		json_error_t error;
		result = report_lines_next(&r->lines, &text, &len);
		if (result != REPORT_LINES_ONE && result != REPORT_LINES_CUT)
			break;
		json_t *object = json_loadb(text, len, 0, &error);
		if (object) {
			result = REPORT_LINES_ONE; /* only its line's end is missing */
			*err = take(r, object);
		} else if (result == REPORT_LINES_ONE) {
			note_strange(r, NULL);
		}
		json_decref(object);
	} while (result == REPORT_LINES_ONE && *err == 0 && (r->run || r->strange < HOPELESS));
	return result;
}

/* ---- and what is to be said of it */

static void note_end(struct reader *r, struct run *run, enum report_lines_result result)
{
	unsigned long long line = r->lines.line;

	if (result == REPORT_LINES_CUT)
		report_notes_add(&run->notes, _("%s ends in the middle of line %llu: it was cut off."), r->shown, line);
	if (r->strange)
		report_notes_add(&run->notes,
		                 ngettext("%s: %llu line is no part of a result and was left out, line %llu.",
		                          "%s: %llu lines are no part of a result and were left out, the first is line "
		                          "%llu.",
		                          r->strange),
		                 r->shown, (unsigned long long)r->strange, (unsigned long long)r->strange_line);
}

/* What the run itself warned of. */
static void note_warnings(struct reader *r, struct run *run)
{
	const json_t *warnings = json_object_get(run->result, "warnings");
	char shown[SHOWN_MAX * 2];

	for (size_t i = 0; i < json_array_size(warnings); i++) {
		const char *text = json_string_value(json_array_get(warnings, i));
		text_escape_utf8(shown, sizeof(shown), text ? text : "", text ? strlen(text) : 0);
		if (*shown)
			report_notes_add(&run->notes, _("%s, line %llu: the run warns: %s."), r->shown,
			                 (unsigned long long)run->line, shown);
	}
}

static void note_run(struct reader *r, struct run *run)
{
	unsigned long long line = run->line;
	char detail[SHOWN_MAX];

	if (run->schema > SCHEMA_KNOWN)
		report_notes_add(
		    &run->notes,
		    _("%s, line %llu: schema %s/%u is newer than this echoc: what it knows of it is shown."), r->shown,
		    line, run->kind == REPORT_PING ? "echoc.ping" : "echoc.load", run->schema);
	const char *why = run->error
	                      ? json_string_value(json_object_get(json_object_get(run->error, "error"), "detail"))
	                      : report_run_text(run, "why");
	show(detail, why ? why : "");
	if (run->error)
		report_notes_add(&run->notes, _("%s, line %llu: the run failed: %s."), r->shown, line, detail);
	else if (*detail)
		report_notes_add(&run->notes, _("%s, line %llu: the run ended early: %s."), r->shown, line, detail);
	else if (!run->result && run->kind == REPORT_PING)
		report_notes_add(&run->notes,
		                 _("%s, line %llu: the run has no result: its numbers are worked out from the probes."),
		                 r->shown, line);
	else if (!run->result)
		report_notes_add(&run->notes,
		                 _("%s, line %llu: the run has no result: only what its intervals tell is known."),
		                 r->shown, line);
}

/* Why nothing of the file can be shown. */
static enum status fail_empty(struct reader *r)
{
	unsigned long long line = r->strange_line;

	if (!r->strange)
		return fail(r, _("%s holds no result: give it what ping or load has printed with --json-stream."),
		            r->shown);
	if (*r->strange_schema)
		return fail(
		    r, _("%s, line %llu: schema '%s' is not what ping or load print, and nothing else can be shown."),
		    r->shown, line, r->strange_schema);
	return fail(r, _("%s, line %llu: this is not what ping or load print with --json or --json-stream."), r->shown,
	            line);
}

static enum status judge(struct reader *r, enum report_lines_result result, int err)
{
	unsigned long long line = r->lines.line;

	if (err == -E2BIG)
		return fail(r, _("%s, line %llu: only the first %d runs are shown: give fewer files."), r->shown, line,
		            REPORT_RUNS_MAX);
	if (result == REPORT_LINES_FAILED || err)
		return fail(r, _("cannot read %s (%s): check its name and its permissions."), r->shown,
		            words_error(-(err ? err : r->lines.error)));
	if (result == REPORT_LINES_TOO_LONG)
		return fail(r, _("%s, line %llu: it is longer than any result is, so nothing is read from there on."),
		            r->shown, line);
	return r->first == r->set->count ? fail_empty(r) : STATUS_FINE;
}

enum status report_read(struct report_set *set, const char *file)
{
	struct reader r = {.set = set, .file = file, .first = set->count};
	int err;

	show(r.shown, strcmp(file, "-") == 0 ? _("standard input") : file);
	err = report_lines_open(&r.lines, file);
	if (err)
		return fail(&r, _("cannot read %s (%s): check its name and its permissions."), r.shown,
		            words_error(-err));
	enum report_lines_result result = take_all(&r, &err);
	if (r.run) {
		report_take_end(r.run);
		note_end(&r, r.run, result);
	}
	for (size_t i = r.first; i < set->count; i++)
		note_run(&r, set->runs[i]);
	for (size_t i = r.first; i < set->count; i++)
		note_warnings(&r, set->runs[i]);
	enum status status = judge(&r, result, err);
	report_lines_close(&r.lines);
	return status;
}

void report_read_say(const struct report_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct report_notes *notes = &set->runs[i]->notes;
		for (size_t n = 0; n < notes->count; n++)
			program_say(ECHOC, "%s", notes->text[n]);
	}
}

void report_read_fini(struct report_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		report_run_destroy(set->runs[i]);
	report_notes_fini(&set->errors);
}
