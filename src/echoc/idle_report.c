#include "idle_report.h"

#include "program.h"
#include "words.h"

#define BAR_WIDTH 12 /* which leaves room for the words in other languages */

static double seconds(uint64_t ms)
{
	return (double)ms / 1e3;
}

/* ---- before ---- */

static void say_note(const struct idle_result *r, enum idle_note note)
{
	if (!idle_result_notes(r, note))
		return;
	switch (note) {
	case IDLE_NOTE_SERVER_LIMIT:
		program_say(ECHOC, _("%s itself ends what is idle for %llu s, so nothing longer can be seen."),
		            r->where, (unsigned long long)r->server_limit_s);
		break;
	case IDLE_NOTE_LIMIT_UNKNOWN:
		program_say(ECHOC,
		            _("%s does not tell whether it ends idle connections itself, so a cut may be its own."),
		            r->where);
		break;
	case IDLE_NOTE_KEEPALIVE_UNKNOWN:
		program_say(
		    ECHOC,
		    _("%s may send TCP keepalives, which keep a path open that is cut without them, so a cut may "
		      "stay unseen."),
		    r->where);
		break;
	case IDLE_NOTE_NOT_DONE:
	case IDLE_NOTE_SERVER_CUT:
	case IDLE_NOTE_NOT_ALWAYS:
	case IDLE_NOTE_FEWER_CONNECTIONS:
	case IDLE_NOTES: break;
	}
}

void idle_report_start(const struct idle_result *r)
{
	const struct idle_options *o = r->options;
	unsigned long long minutes = (r->estimate_ms + 59999) / 60000;

	if (r->estimate_ms < 120000)
		program_say(ECHOC,
		            _("%s: looking for a cut between %.1f and %.1f s of idling, which takes %.0f s at most."),
		            r->where, seconds(o->min_ms), seconds(o->max_ms), seconds(r->estimate_ms));
	else
		program_say(ECHOC,
		            _("%s: looking for a cut between %.1f and %.1f s of idling, which takes %llu min at most."),
		            r->where, seconds(o->min_ms), seconds(o->max_ms), minutes);
	for (int note = 0; note < IDLE_NOTES; note++)
		say_note(r, (enum idle_note)note);
}

/* ---- meanwhile ---- */

void idle_report_trial(const struct idle_finding *f)
{
	static const char *const texts[] = {
	    [IDLE_SURVIVED] = N_("idle for %.1f s: survived."),
	    [IDLE_CUT_FIN] = N_("idle for %.1f s: cut with a FIN."),
	    [IDLE_CUT_RESET] = N_("idle for %.1f s: cut with a reset."),
	    [IDLE_CUT_SILENT] = N_("idle for %.1f s: cut silently, nothing comes back."),
	};

	program_say(ECHOC, _(texts[f->outcome]), seconds(f->idle_ms));
}

static void describe_bracket(const struct idle_search *s, char *text, size_t cap)
{
	const struct idle_finding *cut = idle_search_cut(s);
	uint64_t lower = idle_search_lower_ms(s);

	if (cut && lower)
		snprintf(text, cap, _("cut between %.1f and %.1f s"), seconds(lower), seconds(cut->idle_ms));
	else if (cut)
		snprintf(text, cap, _("cut before %.1f s"), seconds(cut->idle_ms));
	else if (lower)
		snprintf(text, cap, _("no cut up to %.1f s"), seconds(lower));
	else
		snprintf(text, cap, _("nothing known yet"));
}

void idle_report_bar(const struct idle_search *s, uint64_t passed_ms, uint64_t total_ms, char line[IDLE_BAR_MAX])
{
	char bar[BAR_WIDTH + 1], bracket[IDLE_BAR_MAX / 2];
	unsigned long long passed_s = passed_ms / 1000, total_s = (total_ms + 999) / 1000;

	for (uint64_t i = 0; i < BAR_WIDTH; i++)
		bar[i] = i * total_ms < passed_ms * BAR_WIDTH ? '=' : ' ';
	bar[BAR_WIDTH] = '\0';
	describe_bracket(s, bracket, sizeof(bracket));
	snprintf(line, IDLE_BAR_MAX, _("[%s] %llu:%02llu of %llu:%02llu at most, %s"), bar, passed_s / 60,
	         passed_s % 60, total_s / 60, total_s % 60, bracket);
}

/* ---- at the end ---- */

static void put_cut(FILE *f, const struct idle_result *r, const struct idle_finding *cut)
{
	static const char *const texts[] = {
	    [IDLE_SURVIVED] = "",
	    [IDLE_CUT_FIN] = N_("%s: what is idle for %.1f s is cut with a FIN.\n"),
	    [IDLE_CUT_RESET] = N_("%s: what is idle for %.1f s is cut with a reset.\n"),
	    [IDLE_CUT_SILENT] =
	        N_("%s: what is idle for %.1f s is cut silently: bytes go out and nothing comes back.\n"),
	};

	fprintf(f, _(texts[cut->outcome]), r->where, seconds(cut->idle_ms));
}

static void put_lower(FILE *f, const struct idle_result *r, uint64_t lower)
{
	if (lower)
		fprintf(f, _("%.1f s were survived: with traffic or a keepalive that often, a connection stays.\n"),
		        seconds(lower));
	else
		fprintf(f,
		        _("The shortest time that was tried was cut, too: look below it with a --min of less than %.1f "
		          "s.\n"),
		        seconds(r->options->min_ms));
}

static void put_bracket(FILE *f, const struct idle_result *r)
{
	const struct idle_finding *cut = idle_search_cut(r->search);
	uint64_t lower = idle_search_lower_ms(r->search);
	bool done = idle_search_is_done(r->search);

	if (cut) {
		put_cut(f, r, cut);
		if (lower || done)
			put_lower(f, r, lower);
	} else if (done) {
		fprintf(f, _("%s: nothing cuts what is idle for up to %.1f s.\n"), r->where, seconds(lower));
	} else if (lower) {
		fprintf(f, _("%s: nothing cuts what is idle for %.1f s; longer was not found out.\n"), r->where,
		        seconds(lower));
	} else {
		fprintf(f, _("%s: nothing was found out.\n"), r->where);
	}
}

/* Of what was said before, only what bears on the answer. */
static void put_notes(FILE *f, const struct idle_result *r)
{
	const struct idle_finding *cut = idle_search_cut(r->search);

	if (cut && idle_result_notes(r, IDLE_NOTE_NOT_DONE))
		fputs(
		    _("Note: the search ended before it was done, so this is not as near as it could be, and may be a "
		      "moment's interruption.\n"),
		    f);
	if (idle_result_notes(r, IDLE_NOTE_SERVER_CUT))
		fprintf(f, _("Note: this is the server's own limit of %llu s, and not the path's.\n"),
		        (unsigned long long)r->server_limit_s);
	if (cut && idle_result_notes(r, IDLE_NOTE_LIMIT_UNKNOWN))
		fputs(_("Note: it may be the server's own limit, which it does not tell.\n"), f);
	if (!cut && idle_result_notes(r, IDLE_NOTE_KEEPALIVE_UNKNOWN))
		fputs(_("Note: the server's TCP keepalives, if it sends any, may have kept the path open.\n"), f);
	if (idle_result_notes(r, IDLE_NOTE_NOT_ALWAYS))
		fprintf(
		    f,
		    _("Note: %.1f s were survived all the same: there may be several paths, as behind a balancer, or "
		      "it was a moment's interruption.\n"),
		    seconds(idle_search_beyond_ms(r->search)));
	if (idle_result_notes(r, IDLE_NOTE_FEWER_CONNECTIONS))
		fprintf(f, _("Note: only %zu of %llu connections could be had at once.\n"), r->connections,
		        (unsigned long long)r->options->connections);
}

void idle_report_result(FILE *f, const struct idle_result *r)
{
	put_bracket(f, r);
	put_notes(f, r);
}
