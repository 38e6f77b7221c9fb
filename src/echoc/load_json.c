#include "load_json.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "text.h"

#define TEXT_MAX 2048

static const char *const percentile_keys[LOAD_PERCENTILES] = {"p50_ns", "p90_ns", "p99_ns", "p99_9_ns", "p99_99_ns"};

/* A string: bytes that are no UTF-8 and controls as \xHH, which JSON then shows as it stands. */
static void put_string(FILE *f, const char *text)
{
	char fit[TEXT_MAX];

	text_escape_utf8(fit, sizeof(fit), text, strlen(text));
	fputc('"', f);
	for (const char *s = fit; *s; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', f);
		fputc(*s, f);
	}
	fputc('"', f);
}

static void put_open(FILE *f, const char *key)
{
	fprintf(f, "\"%s\": {", key);
}

static void put_count(FILE *f, const char *key, uint64_t n, const char *behind)
{
	fprintf(f, "\"%s\": %llu%s", key, (unsigned long long)n, behind);
}

static void put_count_or_null(FILE *f, const char *key, bool known, uint64_t n, const char *behind)
{
	if (known)
		put_count(f, key, n, behind);
	else
		fprintf(f, "\"%s\": null%s", key, behind);
}

static void put_real(FILE *f, const char *key, double x, const char *behind)
{
	fprintf(f, "\"%s\": %.6f%s", key, x, behind);
}

static void put_bool(FILE *f, const char *key, bool yes, const char *behind)
{
	fprintf(f, "\"%s\": %s%s", key, yes ? "true" : "false", behind);
}

static void put_head(FILE *f, const char *type)
{
	fprintf(f, "{\"schema\": \"echoc.load/1\", \"type\": \"%s\", ", type);
}

static void put_times(FILE *f, const char *key, const struct load_times *t, const char *behind)
{
	bool any = t->count > 0;

	put_open(f, key);
	put_count(f, "count", t->count, ", ");
	for (int i = 0; i < LOAD_PERCENTILES; i++)
		put_count_or_null(f, percentile_keys[i], t->known[i], t->at_ns[i], ", ");
	put_count_or_null(f, "min_ns", any, t->min_ns, ", ");
	put_count_or_null(f, "mean_ns", any, (uint64_t)t->mean_ns, ", ");
	put_count_or_null(f, "max_ns", any, t->max_ns, "}");
	fputs(behind, f);
}

static void put_options(FILE *f, const struct load_result *r)
{
	const struct load_options *o = r->options;

	put_open(f, "options");
	fputs("\"address\": ", f);
	put_string(f, r->where);
	fprintf(f, ", \"mode\": \"%s\", ", o->rate ? "open" : "closed");
	put_count(f, "connections", o->connections, ", ");
	put_count(f, "threads", o->threads, ", ");
	put_count_or_null(f, "rate_per_s", o->rate > 0, o->rate, ", ");
	put_count_or_null(f, "in_flight", !o->rate, o->in_flight, ", ");
	put_count(f, "size_min_bytes", o->size_min, ", ");
	put_count(f, "size_max_bytes", o->size_max, ", ");
	put_count(f, "seed", o->seed, ", ");
	put_count_or_null(f, "messages_per_connection", o->messages > 0, o->messages, ", ");
	put_real(f, "ramp_s", (double)o->ramp_ms / 1e3, ", ");
	put_real(f, "warm_up_s", (double)o->warm_up_ms / 1e3, ", ");
	put_real(f, "duration_s", (double)o->duration_ms / 1e3, "}, ");
}

static void put_run(FILE *f, const struct load_result *r)
{
	char host[256] = "", started[CLOCK_TEXT_MAX];

	(void)gethostname(host, sizeof(host) - 1);
	clock_format(started, r->started_us);
	fprintf(f, "\"version\": \"%s\", \"host\": ", ECHOD_VERSION);
	put_string(f, host);
	fprintf(f, ", \"clock\": \"CLOCK_MONOTONIC\", \"started_at\": \"%s\", ", started);
	put_options(f, r);
	put_real(f, "window_s", r->window_s, ", ");
	put_bool(f, "interrupted", r->interrupted, ", ");
}

static void put_throughput(FILE *f, const struct load_result *r)
{
	const struct load_counters *c = &r->counters;

	put_open(f, "throughput");
	put_count(f, "messages", c->window_messages, ", ");
	put_real(f, "messages_per_s", load_result_rate(r, c->window_messages), ", ");
	put_count(f, "sent_bytes", c->window_bytes_sent, ", ");
	put_real(f, "sent_bytes_per_s", load_result_rate(r, c->window_bytes_sent), ", ");
	put_count(f, "received_bytes", c->window_bytes_received, ", ");
	put_real(f, "received_bytes_per_s", load_result_rate(r, c->window_bytes_received), ", ");
	put_count(f, "connections", c->window_connections, ", ");
	put_real(f, "connections_per_s", load_result_rate(r, c->window_connections), "}, ");
}

static void put_rate(FILE *f, const struct load_result *r)
{
	const struct load_counters *c = &r->counters;

	if (!r->options->rate) {
		fputs("\"rate\": null, ", f);
		return;
	}
	put_open(f, "rate");
	put_count(f, "target_per_s", r->options->rate, ", ");
	put_real(f, "achieved_per_s", load_result_rate(r, c->window_messages), ", ");
	put_bool(f, "reached", r->rate_reached, ", ");
	put_count(f, "sends", c->window_sends, ", ");
	put_count(f, "late_sends", c->late, ", ");
	put_count(f, "late_by_generator", c->late_own, ", ");
	put_count(f, "unsent", c->messages_unsent, "}, ");
}

static void put_totals(FILE *f, const struct load_counters *c)
{
	put_open(f, "totals");
	put_count(f, "messages_sent", c->messages_sent, ", ");
	put_count(f, "messages_received", c->messages_received, ", ");
	put_count(f, "messages_lost", c->messages_lost, ", ");
	put_count(f, "sent_bytes", c->bytes_sent, ", ");
	put_count(f, "received_bytes", c->bytes_received, ", ");
	put_count(f, "damaged_bytes", c->bytes_damaged, ", ");
	put_count(f, "missing_bytes", c->bytes_missing, ", ");
	put_count(f, "connections", c->connections, "}, ");
	put_open(f, "errors");
	for (int i = 0; i < LOAD_ERROR_COUNT; i++)
		put_count(f, load_error_names[i], c->errors[i], ", ");
	put_count(f, "total", load_counters_errors(c), "}, ");
}

static void put_verdict(FILE *f, const struct load_result *r)
{
	put_open(f, "generator");
	put_real(f, "cpu_share_max", r->cpu_share_max, ", ");
	put_bool(f, "was_limit", r->generator_was_limit, "}, ");
	fputs("\"warnings\": [", f);
	for (unsigned i = 0; i < r->warnings; i++) {
		fputs(i ? ", " : "", f);
		put_string(f, r->warning[i]);
	}
	fprintf(f, "], \"status\": %d}\n", (int)r->status);
}

void load_json_result(FILE *f, const struct load_result *r)
{
	put_head(f, "result");
	put_run(f, r);
	put_throughput(f, r);
	put_times(f, "service_time", &r->service, ", ");
	if (r->options->rate)
		put_times(f, "response_time", &r->response, ", ");
	else
		fputs("\"response_time\": null, ",
		      f); /* of open loop only, where there are times that messages are due */
	put_times(f, "set_up_time", &r->set_up, ", ");
	put_rate(f, r);
	put_totals(f, &r->counters);
	put_verdict(f, r);
}

void load_json_progress(FILE *f, const struct load_progress *p)
{
	double per_s = p->interval_s > 0 ? 1 / p->interval_s : 0;

	put_head(f, "interval");
	fprintf(f, "\"phase\": \"%s\", ", p->phase);
	put_real(f, "elapsed_s", p->elapsed_s, ", ");
	put_real(f, "interval_s", p->interval_s, ", ");
	put_count(f, "messages", p->messages, ", ");
	put_real(f, "messages_per_s", (double)p->messages * per_s, ", ");
	put_real(f, "sent_bytes_per_s", (double)p->bytes_sent * per_s, ", ");
	put_real(f, "received_bytes_per_s", (double)p->bytes_received * per_s, ", ");
	put_count_or_null(f, "p50_ns", p->times.known[LOAD_P50], p->times.at_ns[LOAD_P50], ", ");
	put_count_or_null(f, "p99_ns", p->times.known[LOAD_P99], p->times.at_ns[LOAD_P99], ", ");
	put_count(f, "errors", p->errors, ", ");
	put_count(f, "damaged_bytes", p->damaged, "}\n");
}

static const char *kind_of(enum status status)
{
	switch (status) {
	case STATUS_FINE:
	case STATUS_LOST: return "failed";
	case STATUS_USAGE: return "usage";
	case STATUS_UNREACHABLE: return "unreachable";
	case STATUS_REFUSED: return "login_refused";
	case STATUS_NO_SECRET: return "no_secret_on_this_path";
	case STATUS_NOT_PROTOCOL: return "not_the_protocol";
	}
	return "failed";
}

void load_json_error(FILE *f, enum status status, const char *why)
{
	put_head(f, "error");
	fprintf(f, "\"error\": {\"kind\": \"%s\", \"detail\": ", kind_of(status));
	if (why)
		put_string(f, why);
	else
		fputs("null", f); /* it stands on standard error */
	fprintf(f, "}, \"status\": %d}\n", (int)status);
}
