#include "report_words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "must.h"
#include "text.h"
#include "words.h"

/* x with so many digits behind the point that there are three in all, and no zeros at the end that say nothing. */
static int digits(double x)
{
	return x < 9.995 ? 2 : x < 99.95 ? 1 : 0;
}

/* From the smallest on. */
static const struct time_unit {
	double ns;
	const char *name, *ascii;
} time_units[] = {{1, N_("ns"), "ns"}, {1e3, N_("µs"), N_("us")}, {1e6, N_("ms"), "ms"}, {1e9, N_("s"), "s"}};

/* The largest one that x, rounded to three digits, has one of. */
static const struct time_unit *find_time_unit(double ns)
{
	size_t i = 0;

	while (i + 1 < array_size(time_units) && ns >= 0.9995 * time_units[i + 1].ns)
		i++;
	return &time_units[i];
}

void report_words_time(char text[REPORT_WORD_MAX], double ns, bool utf8)
{
	const struct time_unit *unit = find_time_unit(ns);
	double x = ns / unit->ns;

	snprintf(text, REPORT_WORD_MAX, "%.*f %s", unit->ns > 1 ? digits(x) : 0, x, _(utf8 ? unit->name : unit->ascii));
}

void report_words_tick(char text[REPORT_WORD_MAX], double ns, double like_ns)
{
	const struct time_unit *unit = find_time_unit(like_ns);

	snprintf(text, REPORT_WORD_MAX, "%.6g %s", ns / unit->ns, _(unit->name));
}

void report_words_moment(char text[REPORT_WORD_MAX], double at_s, double step_s)
{
	static const struct {
		double s;
		const char *name;
	} units[] = {{86400, N_("d")}, {3600, N_("h")}, {60, N_("min")}, {1, N_("s")}};
	size_t i = 0;

	while (i + 1 < array_size(units) && step_s < units[i].s)
		i++;
	snprintf(text, REPORT_WORD_MAX, "%.6g %s", at_s / units[i].s, _(units[i].name));
}

static void put_bytes_per_second(char text[REPORT_WORD_MAX], double bytes)
{
	static const char *const units[] = {N_("B/s"), N_("kB/s"), N_("MB/s"), N_("GB/s"), N_("TB/s")};
	size_t i = 0;

	while (i + 1 < array_size(units) && bytes >= 999.5) {
		bytes /= 1000;
		i++;
	}
	snprintf(text, REPORT_WORD_MAX, "%.*f %s", i > 0 ? digits(bytes) : 0, bytes, _(units[i]));
}

void report_words_number(char text[REPORT_WORD_MAX], double number, enum report_unit unit, bool utf8)
{
	if (isnan(number)) {
		snprintf(text, REPORT_WORD_MAX, "%s", utf8 ? "–" : "-");
		return;
	}
	switch (unit) {
	case REPORT_COUNT:
	case REPORT_BYTES: snprintf(text, REPORT_WORD_MAX, "%.0f", number); break;
	case REPORT_NS: report_words_time(text, number, utf8); break;
	case REPORT_US: report_words_time(text, number * 1000, utf8); break;
	case REPORT_SECONDS: snprintf(text, REPORT_WORD_MAX, _("%.3f s"), number); break;
	case REPORT_PER_SECOND:
		snprintf(text, REPORT_WORD_MAX, "%.*f %s", number < 999.5 ? 1 : 0, number, _("/s"));
		break;
	case REPORT_BYTES_PER_SECOND: put_bytes_per_second(text, number); break;
	}
}

void report_words_file(char text[REPORT_NAME_MAX], const struct run *r)
{
	const char *slash = strrchr(r->file, '/');
	const char *name = strcmp(r->file, "-") == 0 ? _("standard input") : slash && slash[1] ? slash + 1 : r->file;

	text_escape_utf8(text, REPORT_NAME_MAX, name, strlen(name));
}

static void put_option(FILE *f, const struct report_option *o)
{
	fprintf(f, "%s ", o->name);
	switch (o->kind) {
	case REPORT_NOTHING: break;
	case REPORT_TEXT_OPTION: fputs(o->text, f); break;
	case REPORT_NUMBER_OPTION: fprintf(f, "%.15g", o->number); break;
	case REPORT_BOOL_OPTION: fputs(o->yes ? "true" : "false", f); break;
	}
}

void report_words_options(char text[REPORT_NAME_MAX], const struct run *r)
{
	char *raw = NULL;
	size_t size = 0, shown = 0;
	FILE *f = open_memstream(&raw, &size);

	text[0] = '\0';
	if (!f)
		return;
	for (size_t i = 0; i < r->option_count; i++) {
		const struct report_option *o = &r->options[i];
		if (o->kind == REPORT_NOTHING || strcmp(o->name, "address") == 0)
			continue;
		fputs(shown++ ? ", " : "", f);
		put_option(f, o);
	}
	if (fclose(f) == 0)
		text_escape_utf8(text, REPORT_NAME_MAX, raw, size);
	free(raw);
}

const char *report_words_kind(const struct run *r)
{
	const char *mode = report_run_text(r, "options.mode");

	if (r->kind == REPORT_PING)
		return _("ping");
	if (!mode)
		return _("load");
	return strcmp(mode, "open") == 0 ? _("load, open loop") : _("load, closed loop");
}

const char *report_words_mark(enum report_mark_kind kind)
{
	switch (kind) {
	case REPORT_OUTAGE: return _("outage");
	case REPORT_STALL: return _("stall");
	case REPORT_DAMAGE: return _("damage");
	case REPORT_HELD_UP: return _("not measured");
	case REPORT_WARM_UP: return _("warm-up");
	}
	return "";
}

void report_words_text(char text[REPORT_NAME_MAX], const struct run *r, const char *path, bool utf8)
{
	const char *found = report_run_text(r, path);

	if (!found)
		found = utf8 ? "–" : "-";
	text_escape_utf8(text, REPORT_NAME_MAX, found, strlen(found));
}

void report_words_started(char text[REPORT_NAME_MAX], const struct run *r, bool utf8)
{
	report_words_text(text, r, "started_at", utf8);
	if (strlen(text) == strlen("2026-01-02T03:04:05.123456Z") && text[19] == '.' && text[26] == 'Z')
		memcpy(text + 19, "Z", 2);
}

void report_words_origin(char text[REPORT_NAME_MAX], const struct run *r, bool utf8)
{
	char version[REPORT_NAME_MAX], host[REPORT_NAME_MAX], clock[REPORT_NAME_MAX];

	report_words_text(version, r, "version", utf8);
	report_words_text(host, r, "host", utf8);
	report_words_text(clock, r, "clock", utf8);
	snprintf(text, REPORT_NAME_MAX, _("echoc %s on %s, by %s"), version, host, clock);
}

void report_words_span(char text[REPORT_NAME_MAX], const struct report_mark *m)
{
	snprintf(text, REPORT_NAME_MAX, _("%s from %.3f s to %.3f s"), report_words_mark(m->kind), m->begin_s,
	         m->end_s);
}

void report_words_more(char text[REPORT_NAME_MAX], size_t n)
{
	snprintf(text, REPORT_NAME_MAX, ngettext("and %zu more", "and %zu more", n), n);
}

void report_words_axis(char text[REPORT_NAME_MAX], const char *name, bool is_log)
{
	snprintf(text, REPORT_NAME_MAX, is_log ? _("%s (logarithmic)") : "%s", name);
}
