#include "load_report.h"

#include <stdbool.h>

#define TIME_MAX 32

/* Nanoseconds in the unit that a person would take. */
static const char *time_text(char text[TIME_MAX], double ns)
{
	if (ns < 1e6)
		snprintf(text, TIME_MAX, "%.1f us", ns / 1e3);
	else if (ns < 1e9)
		snprintf(text, TIME_MAX, "%.2f ms", ns / 1e6);
	else
		snprintf(text, TIME_MAX, "%.2f s", ns / 1e9);
	return text;
}

static void put_time(FILE *f, bool known, double ns)
{
	char text[TIME_MAX];

	fprintf(f, "%12s", known ? time_text(text, ns) : "-");
}

static void put_times(FILE *f, const char *name, const struct load_times *t)
{
	fprintf(f, "%-14s", name);
	for (int i = 0; i < LOAD_PERCENTILES; i++)
		put_time(f, t->known[i], (double)t->at_ns[i]);
	put_time(f, t->count > 0, (double)t->max_ns);
	put_time(f, t->count > 0, t->mean_ns);
	put_time(f, t->count > 0, (double)t->min_ns);
	fputc('\n', f);
}

static void put_latency(FILE *f, const struct load_result *r)
{
	fprintf(f, "\n%-14s", "");
	for (int i = 0; i < LOAD_PERCENTILES; i++)
		fprintf(f, "%12s", load_percentile_names[i]);
	fprintf(f, "%12s%12s%12s\n", "max", "mean", "min");
	put_times(f, "service time", &r->service);
	if (r->options->rate)
		put_times(f, "response time", &r->response);
	put_times(f, "set-up time", &r->set_up);
	if (!r->options->rate)
		fputs("No response time: in a closed loop a slow answer delays what comes after it; --rate counts "
		      "that.\n",
		      f);
}

static void put_title(FILE *f, const struct load_result *r)
{
	const struct load_options *o = r->options;

	fprintf(f, "%s: %llu connections, %llu", r->where, (unsigned long long)o->connections,
	        (unsigned long long)o->size_min);
	if (o->size_max > o->size_min)
		fprintf(f, " to %llu", (unsigned long long)o->size_max);
	fputs(" bytes, ", f);
	if (o->rate)
		fprintf(f, "open loop at %llu messages/s", (unsigned long long)o->rate);
	else
		fprintf(f, "closed loop, %llu in flight", (unsigned long long)o->in_flight);
	if (o->size_max > o->size_min)
		fprintf(f, ", seed %llu", (unsigned long long)o->seed);
	fprintf(f, ", %.3f s%s\n\n", r->window_s, r->interrupted ? " (interrupted)" : "");
}

static void put_count(FILE *f, const struct load_result *r, const char *name, uint64_t n, double unit,
                      const char *units)
{
	fprintf(f, "%-14s%15llu%15.1f %s\n", name, (unsigned long long)n, load_result_rate(r, n) / unit, units);
}

static void put_throughput(FILE *f, const struct load_result *r)
{
	const struct load_counters *c = &r->counters;

	put_count(f, r, "messages", c->window_messages, 1, "/s");
	put_count(f, r, "bytes sent", c->window_bytes_sent, 1e6, "MB/s");
	put_count(f, r, "bytes back", c->window_bytes_received, 1e6, "MB/s");
	if (r->options->messages)
		put_count(f, r, "connections", c->window_connections, 1, "/s");
	if (r->options->rate)
		fprintf(f, "%-14s%15llu more than 1 ms late, of %llu\n", "sends", (unsigned long long)c->late,
		        (unsigned long long)c->window_sends);
}

static void put_errors(FILE *f, const struct load_result *r)
{
	const struct load_counters *c = &r->counters;

	fprintf(f,
	        "\nSince the start: %llu messages sent, %llu back; %llu bytes sent, %llu back, %llu damaged, %llu "
	        "missing.\n",
	        (unsigned long long)c->messages_sent, (unsigned long long)c->messages_received,
	        (unsigned long long)c->bytes_sent, (unsigned long long)c->bytes_received,
	        (unsigned long long)c->bytes_damaged, (unsigned long long)c->bytes_missing);
	if (load_counters_errors(c) == 0)
		return;
	fputs("Errors:", f);
	for (int i = 0; i < LOAD_ERROR_COUNT; i++) {
		if (c->errors[i])
			fprintf(f, " %s %llu", load_error_names[i], (unsigned long long)c->errors[i]);
	}
	fputc('\n', f);
}

void load_report_result(FILE *f, const struct load_result *r)
{
	put_title(f, r);
	put_throughput(f, r);
	put_latency(f, r);
	put_errors(f, r);
	for (unsigned i = 0; i < r->warnings; i++)
		fprintf(f, "Warning: %s.\n", r->warning[i]);
}

void load_report_progress(const struct load_progress *p, char line[LOAD_LINE_MAX])
{
	char p50[TIME_MAX], p99[TIME_MAX];
	bool timed = p->times.count > 0;

	snprintf(line, LOAD_LINE_MAX, "%.0f of %.0f s  %.0f messages/s  p50 %s  p99 %s  %llu errors", p->elapsed_s,
	         p->total_s, p->interval_s > 0 ? (double)p->messages / p->interval_s : 0,
	         timed ? time_text(p50, (double)p->times.at_ns[LOAD_P50]) : "-",
	         timed ? time_text(p99, (double)p->times.at_ns[LOAD_P99]) : "-",
	         (unsigned long long)(p->errors + (p->damaged > 0)));
}
