#include "idle_json.h"

#include "json.h"
#include "run_json.h"

#define SCHEMA "echoc.idle/1"

static double seconds(uint64_t ms)
{
	return (double)ms / 1e3;
}

static void put_head(struct json *j, FILE *f, const char *type)
{
	json_begin(j, f);
	json_text(j, "schema", SCHEMA);
	json_text(j, "type", type);
}

static void put_run(struct json *j, const struct idle_result *r)
{
	const struct idle_options *o = r->options;

	run_json(j, r->started_us);
	json_open(j, "options");
	json_text(j, "address", r->where);
	json_real(j, "min_s", seconds(o->min_ms));
	json_real(j, "max_s", seconds(o->max_ms));
	json_count(j, "connections", o->connections);
	json_real(j, "resolution_s", seconds(o->resolution_ms));
	json_close(j);
	json_real(j, "estimate_s", seconds(r->estimate_ms));
	json_bool(j, "keepalive_off", r->keepalive_off);
	json_count_or_null(j, "server_idle_limit_s", r->server_limit_s > 0, r->server_limit_s);
}

static void put_finding(struct json *j, const struct idle_finding *f)
{
	json_count(j, "round", f->round);
	json_real(j, "idle_s", seconds(f->idle_ms));
	json_text(j, "outcome", idle_outcome_keys[f->outcome]);
	json_bool(j, "exact", f->exact || f->outcome == IDLE_SURVIVED);
}

static void put_seconds_or_null(struct json *j, const char *key, uint64_t ms)
{
	if (ms)
		json_real(j, key, seconds(ms));
	else
		json_null(j, key);
}

void idle_json_start(FILE *f, const struct idle_result *r)
{
	struct json j;

	put_head(&j, f, "start");
	put_run(&j, r);
	json_end(&j);
}

void idle_json_trial(FILE *f, const struct idle_finding *finding, int64_t wall_us)
{
	struct json j;

	put_head(&j, f, "trial");
	json_wall(&j, "at", wall_us);
	put_finding(&j, finding);
	json_end(&j);
}

static void put_trials(struct json *j, const struct idle_search *s)
{
	json_open_list(j, "trials");
	for (size_t i = 0; i < s->count; i++) {
		json_open(j, NULL);
		put_finding(j, &s->found[i]);
		json_close(j);
	}
	json_close_list(j);
}

static void put_notes(struct json *j, const struct idle_result *r)
{
	json_open_list(j, "notes");
	for (int note = 0; note < IDLE_NOTES; note++) {
		if (idle_result_notes(r, (enum idle_note)note))
			json_text(j, NULL, idle_note_keys[note]);
	}
	json_close_list(j);
}

void idle_json_result(FILE *f, const struct idle_result *r)
{
	const struct idle_finding *cut = idle_search_cut(r->search);
	struct json j;

	put_head(&j, f, "result");
	put_run(&j, r);
	put_seconds_or_null(&j, "cut_after_s", cut ? cut->idle_ms : 0);
	json_text(&j, "how", cut ? idle_outcome_keys[cut->outcome] : NULL);
	put_seconds_or_null(&j, "lower_s", idle_search_lower_ms(r->search));
	put_seconds_or_null(&j, "upper_s", cut ? cut->idle_ms : 0);
	put_seconds_or_null(&j, "survived_beyond_s", idle_search_beyond_ms(r->search));
	json_count(&j, "connections", r->connections);
	json_real(&j, "took_s", seconds(r->took_ms));
	json_bool(&j, "interrupted", r->interrupted);
	put_trials(&j, r->search);
	put_notes(&j, r);
	json_text(&j, "trouble", r->trouble);
	json_integer(&j, "status", (int)r->status);
	json_end(&j);
}
