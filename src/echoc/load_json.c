#include "load_json.h"

#include <stdbool.h>

#include "histogram_json.h"
#include "json.h"
#include "run_json.h"

#define SCHEMA "echoc.load/1"

static const char *const percentile_keys[LOAD_PERCENTILES] = {"p50_ns", "p90_ns", "p99_ns", "p99_9_ns", "p99_99_ns"};

static void put_head(struct json *j, FILE *f, const char *type)
{
	json_begin(j, f);
	json_text(j, "schema", SCHEMA);
	json_text(j, "type", type);
}

static void put_times(struct json *j, const char *key, const struct load_times *t, const struct histogram *h)
{
	bool any = t->count > 0;

	json_open(j, key);
	json_count(j, "count", t->count);
	for (int i = 0; i < LOAD_PERCENTILES; i++)
		json_count_or_null(j, percentile_keys[i], t->known[i], t->at_ns[i]);
	json_count_or_null(j, "min_ns", any, t->min_ns);
	json_count_or_null(j, "mean_ns", any, (uint64_t)t->mean_ns);
	json_count_or_null(j, "max_ns", any, t->max_ns);
	histogram_json(j, "histogram", h);
	json_close(j);
}

static void put_options(struct json *j, const struct load_result *r)
{
	const struct load_options *o = r->options;

	json_open(j, "options");
	json_text(j, "address", r->where);
	json_text(j, "mode", o->rate ? "open" : "closed");
	json_count(j, "connections", o->connections);
	json_count(j, "threads", o->threads);
	json_count_or_null(j, "rate_per_s", o->rate > 0, o->rate);
	json_count_or_null(j, "in_flight", !o->rate, o->in_flight);
	json_count(j, "size_min_bytes", o->size_min);
	json_count(j, "size_max_bytes", o->size_max);
	json_count(j, "seed", o->seed);
	json_count_or_null(j, "messages_per_connection", o->messages > 0, o->messages);
	json_real(j, "ramp_s", (double)o->ramp_ms / 1e3);
	json_real(j, "warm_up_s", (double)o->warm_up_ms / 1e3);
	json_real(j, "duration_s", (double)o->duration_ms / 1e3);
	json_close(j);
}

static void put_run(struct json *j, const struct load_result *r)
{
	run_json(j, r->started_us);
	put_options(j, r);
	json_real(j, "window_s", r->window_s);
	json_bool(j, "interrupted", r->interrupted);
}

static void put_throughput(struct json *j, const struct load_result *r)
{
	const struct load_counters *c = &r->counters;

	json_open(j, "throughput");
	json_count(j, "messages", c->window_messages);
	json_real(j, "messages_per_s", load_result_rate(r, c->window_messages));
	json_count(j, "sent_bytes", c->window_bytes_sent);
	json_real(j, "sent_bytes_per_s", load_result_rate(r, c->window_bytes_sent));
	json_count(j, "received_bytes", c->window_bytes_received);
	json_real(j, "received_bytes_per_s", load_result_rate(r, c->window_bytes_received));
	json_count(j, "connections", c->window_connections);
	json_real(j, "connections_per_s", load_result_rate(r, c->window_connections));
	json_close(j);
}

static void put_rate(struct json *j, const struct load_result *r)
{
	const struct load_counters *c = &r->counters;

	if (!r->options->rate) {
		json_null(j, "rate");
		return;
	}
	json_open(j, "rate");
	json_count(j, "target_per_s", r->options->rate);
	json_real(j, "achieved_per_s", load_result_rate(r, c->window_messages));
	json_bool(j, "reached", r->rate_reached);
	json_count(j, "sends", c->window_sends);
	json_count(j, "late_sends", c->late);
	json_count(j, "late_by_generator", c->late_own);
	json_count(j, "unsent", c->messages_unsent);
	json_close(j);
}

static void put_totals(struct json *j, const struct load_counters *c)
{
	json_open(j, "totals");
	json_count(j, "messages_sent", c->messages_sent);
	json_count(j, "messages_received", c->messages_received);
	json_count(j, "messages_lost", c->messages_lost);
	json_count(j, "sent_bytes", c->bytes_sent);
	json_count(j, "received_bytes", c->bytes_received);
	json_count(j, "damaged_bytes", c->bytes_damaged);
	json_count(j, "missing_bytes", c->bytes_missing);
	json_count(j, "connections", c->connections);
	json_close(j);
	json_open(j, "errors");
	for (int i = 0; i < LOAD_ERROR_COUNT; i++)
		json_count(j, load_error_names[i], c->errors[i]);
	json_count(j, "total", load_counters_errors(c));
	json_close(j);
}

static void put_verdict(struct json *j, const struct load_result *r)
{
	json_open(j, "generator");
	json_real(j, "cpu_share_max", r->cpu_share_max);
	json_bool(j, "was_limit", r->generator_was_limit);
	json_close(j);
	json_open_list(j, "warnings");
	for (unsigned i = 0; i < r->warnings; i++)
		json_text(j, NULL, r->warning[i]);
	json_close_list(j);
	json_integer(j, "status", (int)r->status);
}

void load_json_result(FILE *f, const struct load_result *r)
{
	struct json j;

	put_head(&j, f, "result");
	put_run(&j, r);
	put_throughput(&j, r);
	put_times(&j, "service_time", &r->service, &r->measures->service);
	if (r->options->rate)
		put_times(&j, "response_time", &r->response, &r->measures->response);
	else
		json_null(&j, "response_time"); /* of open loop only, where there are times that messages are due */
	put_times(&j, "set_up_time", &r->set_up, &r->measures->set_up);
	put_rate(&j, r);
	put_totals(&j, &r->counters);
	put_verdict(&j, r);
	json_end(&j);
}

void load_json_progress(FILE *f, const struct load_progress *p)
{
	double per_s = p->interval_s > 0 ? 1 / p->interval_s : 0;
	struct json j;

	put_head(&j, f, "interval");
	json_text(&j, "phase", p->phase);
	json_real(&j, "elapsed_s", p->elapsed_s);
	json_real(&j, "interval_s", p->interval_s);
	json_count(&j, "messages", p->messages);
	json_real(&j, "messages_per_s", (double)p->messages * per_s);
	json_real(&j, "sent_bytes_per_s", (double)p->bytes_sent * per_s);
	json_real(&j, "received_bytes_per_s", (double)p->bytes_received * per_s);
	json_count_or_null(&j, "p50_ns", p->times.known[LOAD_P50], p->times.at_ns[LOAD_P50]);
	json_count_or_null(&j, "p99_ns", p->times.known[LOAD_P99], p->times.at_ns[LOAD_P99]);
	json_count(&j, "errors", p->errors);
	json_count(&j, "damaged_bytes", p->damaged);
	json_end(&j);
}
