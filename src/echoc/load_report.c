#include "load_report.h"

#include <stdbool.h>

#include "words.h"

#define TIME_MAX 32

/* Of the table, on the screen. */
#define NAME_COLUMNS 14
#define TIME_COLUMNS 12

/* Nanoseconds in the unit that a person would take. */
static const char *time_text(char text[TIME_MAX], double ns)
{
	if (ns < 1e6)
		snprintf(text, TIME_MAX, _("%.1f us"), ns / 1e3);
	else if (ns < 1e9)
		snprintf(text, TIME_MAX, _("%.2f ms"), ns / 1e6);
	else
		snprintf(text, TIME_MAX, _("%.2f s"), ns / 1e9);
	return text;
}

/* A row's name, and what follows begins in a column of its own. */
static void put_name(FILE *f, const char *name)
{
	size_t width = words_width(name);

	fprintf(f, "%s%*s", name, width < NAME_COLUMNS ? (int)(NAME_COLUMNS - width) : 1, "");
}

static void put_right(FILE *f, const char *text)
{
	size_t width = words_width(text);

	fprintf(f, "%*s%s", width < TIME_COLUMNS ? (int)(TIME_COLUMNS - width) : 1, "", text);
}

static void put_time(FILE *f, bool known, double ns)
{
	char text[TIME_MAX];

	put_right(f, known ? time_text(text, ns) : "-");
}

static void put_times(FILE *f, const char *name, const struct load_times *t)
{
	put_name(f, name);
	for (int i = 0; i < LOAD_PERCENTILES; i++)
		put_time(f, t->known[i], (double)t->at_ns[i]);
	put_time(f, t->count > 0, (double)t->max_ns);
	put_time(f, t->count > 0, t->mean_ns);
	put_time(f, t->count > 0, (double)t->min_ns);
	fputc('\n', f);
}

static void put_latency(FILE *f, const struct load_result *r)
{
	fputc('\n', f);
	put_name(f, "");
	for (int i = 0; i < LOAD_PERCENTILES; i++)
		put_right(f, load_percentile_names[i]);
	put_right(f, _("max"));
	put_right(f, _("mean"));
	put_right(f, _("min"));
	fputc('\n', f);
	put_times(f, _("service time"), &r->service);
	if (r->options->rate)
		put_times(f, _("response time"), &r->response);
	put_times(f, _("set-up time"), &r->set_up);
	if (!r->options->rate)
		fputs(_("No response time: in a closed loop a slow answer delays what comes after it; --rate counts "
		        "that.\n"),
		      f);
}

/* Of messages: so many bytes, or from so many to so many. */
static void put_size(FILE *f, const struct load_options *o)
{
	unsigned long long least = o->size_min, most = o->size_max;

	if (most > least)
		fprintf(f, ngettext("%llu to %llu byte", "%llu to %llu bytes", most), least, most);
	else
		fprintf(f, ngettext("%llu byte", "%llu bytes", most), most);
}

/* A list of what was measured how. */
static void put_title(FILE *f, const struct load_result *r)
{
	const struct load_options *o = r->options;
	unsigned long long connections = o->connections;

	fprintf(f, "%s: ", r->where);
	fprintf(f, ngettext("%llu connection", "%llu connections", connections), connections);
	fputs(", ", f);
	put_size(f, o);
	fputs(", ", f);
	if (o->rate)
		fprintf(f, _("open loop at %llu messages/s"), (unsigned long long)o->rate);
	else
		fprintf(f, _("closed loop, %llu in flight"), (unsigned long long)o->in_flight);
	fputs(", ", f);
	if (o->size_max > o->size_min)
		fprintf(f, _("seed %llu, "), (unsigned long long)o->seed);
	fprintf(f, r->interrupted ? _("%.3f s (interrupted)") : _("%.3f s"), r->window_s);
	fputs("\n\n", f);
}

static void put_count(FILE *f, const struct load_result *r, const char *name, uint64_t n, double unit,
                      const char *units)
{
	put_name(f, name);
	fprintf(f, "%15llu%15.1f %s\n", (unsigned long long)n, load_result_rate(r, n) / unit, units);
}

static void put_bytes(FILE *f, const struct load_result *r, const char *name, uint64_t n)
{
	if (load_result_rate(r, n) < 1e6)
		put_count(f, r, name, n, 1e3, _("kB/s"));
	else
		put_count(f, r, name, n, 1e6, _("MB/s"));
}

static void put_throughput(FILE *f, const struct load_result *r)
{
	const struct load_counters *c = &r->counters;

	put_count(f, r, _("messages"), c->window_messages, 1, _("/s"));
	put_bytes(f, r, _("bytes sent"), c->window_bytes_sent);
	put_bytes(f, r, _("bytes back"), c->window_bytes_received);
	if (r->options->messages)
		put_count(f, r, _("connections"), c->window_connections, 1, _("/s"));
	if (!r->options->rate)
		return;
	put_name(f, _("sends"));
	fprintf(f, _("%15llu more than 1 ms late, of %llu\n"), (unsigned long long)c->late,
	        (unsigned long long)c->window_sends);
}

static void put_errors(FILE *f, const struct load_result *r)
{
	const struct load_counters *c = &r->counters;

	fprintf(f,
	        _("\nSince the start: %llu messages sent, %llu back; %llu bytes sent, %llu back, %llu damaged, %llu "
	          "missing.\n"),
	        (unsigned long long)c->messages_sent, (unsigned long long)c->messages_received,
	        (unsigned long long)c->bytes_sent, (unsigned long long)c->bytes_received,
	        (unsigned long long)c->bytes_damaged, (unsigned long long)c->bytes_missing);
	if (load_counters_errors(c) == 0)
		return;
	fputs(_("Errors:"), f);
	for (int i = 0; i < LOAD_ERROR_COUNT; i++) {
		if (c->errors[i])
			fprintf(f, " %s %llu", _(load_error_names[i]), (unsigned long long)c->errors[i]);
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
		fprintf(f, _("Warning: %s.\n"), r->warning[i]);
}

void load_report_progress(const struct load_progress *p, char line[LOAD_LINE_MAX])
{
	char p50[TIME_MAX], p99[TIME_MAX];
	bool timed = p->times.count > 0;
	unsigned long long errors = p->errors + (p->damaged > 0);

	snprintf(line, LOAD_LINE_MAX,
	         ngettext("%.0f of %.0f s  %.0f messages/s  p50 %s  p99 %s  %llu error",
	                  "%.0f of %.0f s  %.0f messages/s  p50 %s  p99 %s  %llu errors", errors),
	         p->elapsed_s, p->total_s, p->interval_s > 0 ? (double)p->messages / p->interval_s : 0,
	         timed ? time_text(p50, (double)p->times.at_ns[LOAD_P50]) : "-",
	         timed ? time_text(p99, (double)p->times.at_ns[LOAD_P99]) : "-", errors);
}
