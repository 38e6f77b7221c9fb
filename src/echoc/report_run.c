#include "report_run.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct run *report_run_create(const char *file, uint64_t line, enum report_kind kind)
{
	struct run *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->file = file;
	r->line = line;
	r->kind = kind;
	r->schema = 1;
	histogram_init(&r->times);
	report_series_init(&r->trips);
	report_series_init(&r->tails);
	return r;
}

void report_run_destroy(struct run *r)
{
	if (!r)
		return;
	json_decref(r->start);
	json_decref(r->result);
	json_decref(r->error);
	json_decref(r->guess);
	report_notes_fini(&r->notes);
	free(r);
}

bool report_run_is_open(const struct run *r)
{
	return json_is_object(report_run_find(r, "response_time"));
}

const char *report_run_times(const struct run *r)
{
	if (r->kind == REPORT_PING)
		return "rtt";
	return report_run_is_open(r) ? "response_time" : "service_time";
}

static const json_t *find_in(const json_t *in, const char *path)
{
	while (in && *path) {
		size_t len = strcspn(path, ".");
		in = json_object_getn(in, path, len);
		path += len + (path[len] == '.');
	}
	return in;
}

const json_t *report_run_find(const struct run *r, const char *path)
{
	const json_t *const places[] = {r->result, r->guess, r->start};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		const json_t *found = find_in(places[i], path);
		if (found && !json_is_null(found))
			return found;
	}
	return NULL;
}

const char *report_run_text(const struct run *r, const char *path)
{
	return json_string_value(report_run_find(r, path));
}

double report_number_of(const json_t *value)
{
	double x = json_is_number(value) ? json_number_value(value) : NAN;

	return x >= 0 ? x : NAN;
}

double report_run_number(const struct run *r, const char *path)
{
	return report_number_of(report_run_find(r, path));
}

double report_run_end_s(const struct run *r)
{
	double end = fmax(r->trips.end_s, r->tails.end_s);

	for (size_t i = 0; i < r->mark_count; i++)
		end = fmax(end, r->marks[i].end_s);
	return end;
}

size_t report_run_interruptions(const struct run *r)
{
	size_t count = 0;

	for (size_t i = 0; i < r->mark_count; i++)
		count += r->marks[i].kind != REPORT_WARM_UP;
	return count;
}

void report_run_mark(struct run *r, enum report_mark_kind kind, double begin_s, double end_s, bool goes_on)
{
	if (!(begin_s >= 0 && begin_s <= end_s && end_s <= REPORT_SECONDS_MAX) || r->mark_count == REPORT_MARKS_MAX)
		return;
	r->marks[r->mark_count++] = (struct report_mark){kind, begin_s, end_s, goes_on};
}
