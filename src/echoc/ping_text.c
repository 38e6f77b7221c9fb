#include "ping_text.h"

#include "words.h"

#define SHOWN_OUTAGES 10 /* the first of them; JSON has more */

static double ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

static double s(uint64_t ns)
{
	return (double)ns / 1e9;
}

static unsigned long long ull(uint64_t n)
{
	return n;
}

void ping_text_head(FILE *f, const struct ping_measures *m)
{
	const struct ping_options *o = m->options;

	fprintf(f,
	        ngettext("PING %s: a probe of %llu byte every %g s.\n", "PING %s: a probe of %llu bytes every %g s.\n",
	                 o->size),
	        m->where, ull(o->size), (double)o->interval_ms / 1e3);
	if (*m->seen_as)
		fprintf(f, _("The server sees you as %s.\n"), m->seen_as);
}

void ping_text_phases(FILE *f, const struct ping_measures *m)
{
	static const char *const names[PHASES] = {N_("lookup %.3f ms"), N_("TCP %.3f ms"), N_("TLS %.3f ms"),
	                                          N_("login %.3f ms"), N_("first echo %.3f ms")};
	static const char unix_name[] = N_("connection %.3f ms");
	const char *between = "";

	for (int phase = 0; phase < PHASES; phase++) {
		bool is_unix = phase == PHASE_TCP && !m->phases.known[PHASE_LOOKUP];
		if (!m->phases.known[phase])
			continue;
		fputs(between, f);
		fprintf(f, is_unix ? _(unix_name) : _(names[phase]), ms(m->phases.ns[phase]));
		between = ", ";
	}
	fputc('\n', f);
}

bool ping_text_is_event(enum ping_event_kind kind)
{
	switch (kind) {
	case PING_SENT:
	case PING_ECHOED:
	case PING_LOST:
	case PING_CUT_OFF:
	case PING_NOT_SENT: return false;
	case PING_DAMAGED:
	case PING_STALL:
	case PING_STALL_END:
	case PING_DROP:
	case PING_REDIAL_FAILED:
	case PING_BACK:
	case PING_REGISTERED:
	case PING_RENEWED:
	case PING_HELD_UP: return true;
	}
	return false;
}

static void put_echoed(FILE *f, const struct ping_measures *m, const struct ping_event *e)
{
	uint64_t size = m->options->size;
	const char *text;

	if (e->probe->resent)
		text = ngettext("%llu byte: seq=%llu back after %.3f ms (sent again)\n",
		                "%llu bytes: seq=%llu back after %.3f ms (sent again)\n", size);
	else if (e->late)
		text = ngettext("%llu byte: seq=%llu time=%.3f ms (late)\n",
		                "%llu bytes: seq=%llu time=%.3f ms (late)\n", size);
	else
		text = ngettext("%llu byte: seq=%llu time=%.3f ms\n", "%llu bytes: seq=%llu time=%.3f ms\n", size);
	fprintf(f, text, ull(size), ull(e->probe->seq), ms(e->length_ns));
}

static void put_drop(FILE *f, const struct ping_event *e)
{
	if (e->bytes == 0)
		fprintf(f, _("drop: %s.\n"), e->text);
	else
		fprintf(f,
		        ngettext("drop: %s with %llu byte still to come back.\n",
		                 "drop: %s with %llu bytes still to come back.\n", e->bytes),
		        e->text, ull(e->bytes));
}

static void put_damaged(FILE *f, const struct ping_event *e)
{
	if (e->probe)
		fprintf(f, _("damage: seq=%llu came back changed: %s.\n"), ull(e->probe->seq), e->text);
	else
		fprintf(f, _("damage: bytes came that were never sent: %s.\n"), e->text);
}

static void put_back(FILE *f, const struct ping_event *e)
{
	if (e->count == 0)
		fprintf(f, _("back: the outage lasted %.3f s.\n"), s(e->length_ns));
	else
		fprintf(f,
		        ngettext("back: the outage lasted %.3f s, in which %llu probe was not sent.\n",
		                 "back: the outage lasted %.3f s, in which %llu probes were not sent.\n", e->count),
		        s(e->length_ns), ull(e->count));
}

static void put_held_up(FILE *f, const struct ping_event *e)
{
	fprintf(f,
	        ngettext("held up: this program did not run for %.3f s, in which %llu probe was not sent.\n",
	                 "held up: this program did not run for %.3f s, in which %llu probes were not sent.\n",
	                 e->count),
	        s(e->length_ns), ull(e->count));
}

void ping_text_event(FILE *f, const struct ping_measures *m, const struct ping_event *e)
{
	switch (e->kind) {
	case PING_ECHOED: put_echoed(f, m, e); break;
	case PING_DAMAGED: put_damaged(f, e); break;
	case PING_STALL:
		fprintf(f, _("stall: no answer to seq=%llu for %.3f s.\n"), ull(e->probe->seq), s(e->length_ns));
		break;
	case PING_STALL_END: fprintf(f, _("stall: over after %.3f s.\n"), s(e->length_ns)); break;
	case PING_DROP: put_drop(f, e); break;
	case PING_REDIAL_FAILED: fprintf(f, _("still away after %.3f s: %s.\n"), s(e->length_ns), e->text); break;
	case PING_BACK: put_back(f, e); break;
	case PING_REGISTERED:
		fprintf(f, _("registered %s at %s."), e->text, m->where);
		fputc('\n', f);
		break;
	case PING_RENEWED:
		fprintf(f, _("connected anew %.3f s after the damage, to be in step again.\n"), s(e->length_ns));
		break;
	case PING_HELD_UP: put_held_up(f, e); break;
	case PING_SENT:
	case PING_LOST:
	case PING_CUT_OFF:
	case PING_NOT_SENT: break;
	}
}

/* ---- the summary ---- */

static void put_counts(FILE *f, const struct ping_measures *m)
{
	uint64_t on_their_way = m->sent - m->echoed - m->damaged - m->lost;

	fprintf(f, _("sent %llu, echoed %llu"), ull(m->sent), ull(m->echoed));
	if (on_their_way)
		fprintf(f, _(", on their way %llu"), ull(on_their_way));
	if (m->resent)
		fprintf(f, _(", sent again %llu"), ull(m->resent));
	if (m->not_sent)
		fprintf(f, _(", not sent %llu"), ull(m->not_sent));
	fprintf(f, _(", damaged %llu, lost %llu, late %llu\n"), ull(m->damaged), ull(m->lost), ull(m->late));
	if (m->sent_late)
		fprintf(f,
		        ngettext("%llu probe was sent more than 1 ms late by this machine\n",
		                 "%llu probes were sent more than 1 ms late by this machine\n", m->sent_late),
		        ull(m->sent_late));
}

static void put_times(FILE *f, const struct ping_result *r)
{
	const struct histogram *h = &r->measures->rtt;

	if (h->count == 0) {
		fputs(_("round trip: none was measured\n"), f);
		return;
	}
	fprintf(f, _("round trip: min %.3f"), ms(h->min_ns));
	for (int i = 0; i < PING_PERCENTILES; i++) {
		if (r->known[i])
			fprintf(f, " %s %.3f", ping_percentile_names[i], ms(r->at_ns[i]));
	}
	fprintf(f, _(" max %.3f ms\n"), ms(h->max_ns));
	if (r->jitter_known)
		fprintf(f, _("mean %.3f ms, jitter %.3f ms\n"), r->mean_ns / 1e6, r->jitter_ns / 1e6);
	else
		fprintf(f, _("mean %.3f ms\n"), r->mean_ns / 1e6);
}

static void put_path(FILE *f, const struct ping_result *r)
{
	const struct ping_measures *m = r->measures;

	fprintf(f, _("reconnects %llu, downtime %.3f s, stalls %llu (%.3f s)\n"), ull(m->reconnects), s(r->downtime_ns),
	        ull(m->stalls), s(r->stalled_ns));
	for (uint64_t i = 0; i < m->outages && i < SHOWN_OUTAGES; i++)
		fprintf(f, _("outage: from %.3f s on, for %.3f s\n"), s(m->outage[i].began_ns - m->start_ns),
		        s(m->outage[i].length_ns));
	if (m->outages > SHOWN_OUTAGES)
		fprintf(f, ngettext("and %llu outage more\n", "and %llu outages more\n", m->outages - SHOWN_OUTAGES),
		        ull(m->outages - SHOWN_OUTAGES));
	if (r->outage_ns)
		fprintf(f, _("outage: from %.3f s on, and not over after %.3f s\n"), s(r->outage_ns - m->start_ns),
		        s(r->now_ns - r->outage_ns));
	if (*m->first_damage)
		fprintf(f, _("damage: %s\n"), m->first_damage);
}

static void put_kernel(FILE *f, const struct kernel_view *k)
{
	if (!k->known)
		return;
	fprintf(f, _("TCP_INFO: rtt %.3f ms, rttvar %.3f ms"), k->rtt_us / 1e3, k->rttvar_us / 1e3);
	if (k->min_known)
		fprintf(f, _(", min rtt %.3f ms"), k->min_rtt_us / 1e3);
	fprintf(f, _(", retransmits %llu\n"), ull(k->retransmits));
}

void ping_text_summary(FILE *f, const struct ping_result *r)
{
	const struct ping_measures *m = r->measures;

	fprintf(f, r->final ? _("--- %s: %.3f s ---\n") : _("--- %s: %.3f s so far ---\n"), m->where,
	        s(r->now_ns - m->start_ns));
	put_counts(f, m);
	put_times(f, r);
	put_path(f, r);
	put_kernel(f, &r->kernel);
}

void ping_text_status(char text[PING_STATUS_MAX], const struct ping_result *r)
{
	const struct ping_measures *m = r->measures;

	if (m->rtt.count == 0) {
		snprintf(text, PING_STATUS_MAX, _("sent %llu, and nothing is back yet"), ull(m->sent));
		return;
	}
	snprintf(text, PING_STATUS_MAX,
	         _("sent %llu echoed %llu last %.3f p50 %.3f max %.3f ms reconnects %llu down %.1f s"), ull(m->sent),
	         ull(m->echoed), ms(m->last_rtt_ns), ms(r->at_ns[PING_P50]), ms(m->rtt.max_ns), ull(m->reconnects),
	         s(r->downtime_ns));
}
