#include "report_json.h"

#include "clock.h"
#include "histogram_json.h"
#include "json.h"
#include "report_numbers.h"
#include "run_json.h"

#include <math.h>

static void put_plain(struct json *j, double number)
{
	if (fabs(number) < 1e15 && number == floor(number))
		json_integer(j, "value", (int64_t)number);
	else
		json_real(j, "value", number);
}

/* As a list of name and value, for the names are the file's and may be anything. */
static void put_options(struct json *j, const struct run *r)
{
	json_open_list(j, "options");
	for (size_t i = 0; i < r->option_count; i++) {
		const struct report_option *o = &r->options[i];
		json_open(j, NULL);
		json_text(j, "name", o->name);
		switch (o->kind) {
		case REPORT_NOTHING: json_null(j, "value"); break;
		case REPORT_TEXT_OPTION: json_text(j, "value", o->text); break;
		case REPORT_NUMBER_OPTION: put_plain(j, o->number); break;
		case REPORT_BOOL_OPTION: json_bool(j, "value", o->yes); break;
		}
		json_close(j);
	}
	json_close_list(j);
}

static void put_number(struct json *j, const struct report_row *row, double number)
{
	bool is_rate =
	    row->unit == REPORT_SECONDS || row->unit == REPORT_PER_SECOND || row->unit == REPORT_BYTES_PER_SECOND;

	if (!is_rate && number < 1e18)
		json_count(j, row->key, (uint64_t)number);
	else
		json_real(j, row->key, number); /* null where it is NAN */
}

static void put_marks(struct json *j, const struct run *r)
{
	static const char *const kinds[] = {[REPORT_OUTAGE] = "outage",
	                                    [REPORT_STALL] = "stall",
	                                    [REPORT_DAMAGE] = "damage",
	                                    [REPORT_HELD_UP] = "held_up",
	                                    [REPORT_WARM_UP] = "warm_up"};

	json_open_list(j, "marks");
	for (size_t i = 0; i < r->mark_count; i++) {
		json_open(j, NULL);
		json_text(j, "kind", kinds[r->marks[i].kind]);
		json_real(j, "begin_s", r->marks[i].begin_s);
		json_real(j, "duration_s", r->marks[i].end_s - r->marks[i].begin_s);
		json_bool(j, "goes_on", r->marks[i].goes_on);
		json_close(j);
	}
	json_close_list(j);
}

static void put_series(struct json *j, const char *key, const struct report_series *s)
{
	json_open_list(j, key);
	for (size_t i = 0; i < report_series_columns(s); i++) {
		const struct report_column *c = &s->column[i];
		if (c->count == 0 && c->missed == 0)
			continue;
		json_open(j, NULL);
		json_real(j, "elapsed_s", c->count ? (c->min_s + c->max_s) / 2 : c->missed_s);
		json_count(j, "count", c->count);
		json_count(j, "missed", c->missed);
		json_count_or_null(j, "min_ns", c->count, (uint64_t)c->min_ns);
		json_count_or_null(j, "mean_ns", c->count, c->count ? (uint64_t)(c->sum_ns / (double)c->count) : 0);
		json_count_or_null(j, "max_ns", c->count, (uint64_t)c->max_ns);
		json_close(j);
	}
	json_close_list(j);
}

static void put_notes(struct json *j, const char *key, const struct report_notes *notes)
{
	json_open_list(j, key);
	for (size_t i = 0; i < notes->count; i++)
		json_text(j, NULL, notes->text[i]);
	json_close_list(j);
}

static void put_run(struct json *j, const struct run *r)
{
	static const char *const texts[] = {"version", "host", "clock", "started_at"};

	json_open(j, NULL);
	json_text(j, "file", r->file);
	json_count(j, "line", r->line);
	json_text(j, "kind", r->kind == REPORT_PING ? "ping" : "load");
	json_count(j, "schema_number", r->schema);
	for (size_t i = 0; i < array_size(texts); i++)
		json_text(j, texts[i], report_run_text(r, texts[i]));
	put_options(j, r);
	json_bool(j, "complete", r->result != NULL);
	json_text(j, "times", report_run_times(r));
	json_open(j, "numbers");
	for (size_t i = 0; i < report_row_count; i++)
		put_number(j, &report_rows[i], report_number(r, &report_rows[i]));
	json_close(j);
	put_marks(j, r);
	put_series(j, "over_time", &r->trips);
	put_series(j, "over_time_p99", &r->tails);
	histogram_json(j, "histogram", &r->times);
	put_notes(j, "notes", &r->notes);
	json_close(j);
}

void report_json(FILE *f, const struct report_set *set, enum status status)
{
	struct json j;

	json_begin(&j, f);
	json_text(&j, "schema", "echoc.report/1");
	json_text(&j, "type", "result");
	run_json(&j, clock_wall_us());
	json_open_list(&j, "runs");
	for (size_t i = 0; i < set->count; i++)
		put_run(&j, set->runs[i]);
	json_close_list(&j);
	put_notes(&j, "errors", &set->errors);
	json_integer(&j, "status", (int)status);
	json_end(&j);
}
