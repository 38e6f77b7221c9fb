#include "ping_show.h"

#include <errno.h>
#include <unistd.h>

#include "clock.h"
#include "ping_json.h"
#include "ping_text.h"

#define MS_NS        UINT64_C(1000000)
#define DRAW_NS      (100 * MS_NS)  /* from picture to picture, where something has changed */
#define DRAW_IDLE_NS (1000 * MS_NS) /* and where nothing has, but an outage may grow longer */
#define QUIET_NS     (50 * MS_NS)   /* a probe that is in the air for so long is not measured worse by a picture */

static void flush(struct ping_show *s, FILE *f)
{
	if ((fflush(f) || ferror(f)) && f == stdout && !s->error)
		s->error = errno ? -errno : -EIO;
}

static bool is_json(const struct ping_show *s)
{
	return s->options->json || s->options->json_stream;
}

static void say_stamp(const struct ping_show *s)
{
	char text[CLOCK_TEXT_MAX];

	if (!s->options->ping.timestamps)
		return;
	clock_format(text, clock_wall_us());
	fprintf(s->lines, "%s ", text);
}

/* Said once, before anything else is said of the echo. */
static void say_phases(struct ping_show *s)
{
	if (s->phases_said)
		return;
	s->phases_said = true;
	say_stamp(s);
	ping_text_phases(s->lines, s->measures);
}

/* Not where others write on the same terminal. */
static bool may_draw(const struct options *o)
{
	return !o->plain && !o->trace && !(o->json_stream && isatty(STDOUT_FILENO));
}

void ping_show_open(struct ping_show *s, const struct options *options, const struct ping_measures *measures)
{
	/* As if there were a picture already: the first one is not to be in the first echo's way. */
	*s = (struct ping_show){.options = options, .measures = measures, .changed = true, .drawn_ns = clock_now_ns()};
	FILE *f = is_json(s) ? stderr : stdout;
	if (!options->quiet)
		s->lines = f;
	if (!options->quiet || !is_json(s))
		s->summary = f;
	if (s->lines)
		ping_text_head(s->lines, measures);
	if (s->lines && may_draw(options) && ping_screen_can(f))
		(void)!ping_screen_open(&s->screen, f); /* without memory for a picture there are lines */
	if (options->json_stream)
		ping_json_start(stdout, measures);
	flush(s, f);
	flush(s, stdout);
}

void ping_show_close(struct ping_show *s)
{
	ping_screen_close(&s->screen);
}

static void add_to_chart(struct ping_show *s, const struct ping_event *e)
{
	if (e->kind == PING_ECHOED && !e->probe->resent)
		chart_add(&s->screen.chart, e->late ? CHART_LATE : CHART_ECHOED, e->length_ns);
	else if (e->kind == PING_ECHOED || e->kind == PING_LOST || (e->kind == PING_DAMAGED && e->probe))
		chart_add(&s->screen.chart, CHART_GONE, 0);
	for (uint64_t i = 0; (e->kind == PING_NOT_SENT || e->kind == PING_HELD_UP) && i < e->count && i < CHART_SAMPLES;
	     i++)
		chart_add(&s->screen.chart, CHART_GONE, 0);
}

void ping_show_event(struct ping_show *s, const struct ping_event *e)
{
	bool is_event = ping_text_is_event(e->kind), is_line = is_event || e->kind == PING_ECHOED;

	if (e->kind == PING_SENT) /* nothing is done while a probe is on its way */
		return;
	add_to_chart(s, e);
	s->changed = true;
	if (s->lines && is_line) {
		if (is_event || !s->phases_said)
			ping_screen_hide(&s->screen);
		say_phases(s);
		if (is_event || !s->screen.f) {
			say_stamp(s);
			ping_text_event(s->lines, s->measures, e);
		}
		flush(s, s->lines);
	}
	if (!s->options->json_stream)
		return;
	ping_json_event(stdout, s->measures, e);
	flush(s, stdout);
}

uint64_t ping_show_due_ns(const struct ping_show *s, uint64_t in_the_air_ns)
{
	uint64_t ns = s->drawn_ns + (s->changed ? DRAW_NS : DRAW_IDLE_NS);
	uint64_t quiet_ns = in_the_air_ns ? in_the_air_ns + QUIET_NS : 0;

	if (!s->screen.f)
		return UINT64_MAX;
	if (quiet_ns <= ns)
		return ns;
	return quiet_ns < ns + DRAW_NS ? quiet_ns : ns + DRAW_NS; /* there may always be a younger probe */
}

void ping_show_draw(struct ping_show *s, const struct ping_result *r)
{
	char status[PING_STATUS_MAX];

	if (!s->screen.f)
		return;
	ping_text_status(status, r);
	ping_screen_draw(&s->screen, status);
	s->drawn_ns = r->now_ns;
	s->changed = false;
}

void ping_show_result(struct ping_show *s, const struct ping_result *r)
{
	ping_screen_hide(&s->screen);
	s->changed = true;
	if (s->lines)
		say_phases(s);
	if (s->summary) {
		ping_text_summary(s->summary, r);
		flush(s, s->summary);
	}
	if (s->options->json_stream || (s->options->json && r->final))
		ping_json_result(stdout, r);
	flush(s, stdout);
}
