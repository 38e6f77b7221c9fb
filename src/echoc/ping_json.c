#include "ping_json.h"

#include "histogram_json.h"
#include "json.h"
#include "run_json.h"

#define SCHEMA "echoc.ping/1"

static void begin(struct json *j, FILE *f, const char *type)
{
	json_begin(j, f);
	json_text(j, "schema", SCHEMA);
	json_text(j, "type", type);
}

static double elapsed_s(const struct ping_measures *m, uint64_t ns)
{
	return ns > m->start_ns ? (double)(ns - m->start_ns) / 1e9 : 0;
}

static void put_options(struct json *j, const struct ping_measures *m)
{
	const struct ping_options *o = m->options;

	json_open(j, "options");
	json_text(j, "address", m->where);
	json_real(j, "interval_s", (double)o->interval_ms / 1e3);
	json_count_or_null(j, "count", o->count > 0, o->count);
	json_count(j, "size_bytes", o->size);
	if (o->deadline_ms)
		json_real(j, "deadline_s", (double)o->deadline_ms / 1e3);
	else
		json_null(j, "deadline_s");
	json_real(j, "late_s", (double)o->late_ms / 1e3);
	if (o->redial_ms)
		json_real(j, "redial_s", (double)o->redial_ms / 1e3);
	else
		json_null(j, "redial_s");
	json_close(j);
}

static void put_phases(struct json *j, const struct phases *p)
{
	static const char *const keys[PHASES] = {"lookup_ns", "tcp_ns", "tls_ns", "login_ns", "echo_ns"};

	json_open(j, "phases");
	for (int phase = 0; phase < PHASES; phase++)
		json_count_or_null(j, keys[phase], p->known[phase], p->ns[phase]);
	json_close(j);
}

static void put_run(struct json *j, const struct ping_measures *m)
{
	run_json(j, m->started_us);
	put_options(j, m);
	put_phases(j, &m->phases);
	json_text(j, "seen_as", *m->seen_as ? m->seen_as : NULL);
}

void ping_json_start(FILE *f, const struct ping_measures *m)
{
	struct json j;

	begin(&j, f, "start");
	put_run(&j, m);
	json_end(&j);
}

/* ---- probes and events ---- */

static void put_probe(FILE *f, const struct ping_measures *m, const struct ping_event *e, const char *outcome)
{
	bool echoed = e->kind == PING_ECHOED, measured = echoed && !e->probe->resent;
	struct json j;

	begin(&j, f, "probe");
	json_count(&j, "seq", e->probe->seq);
	json_wall(&j, "at", e->probe->sent_us);
	json_real(&j, "elapsed_s", elapsed_s(m, e->probe->sent_ns));
	json_text(&j, "outcome", outcome);
	json_count_or_null(&j, "rtt_ns", measured, e->length_ns);
	json_count_or_null(&j, "after_ns", echoed, e->length_ns);
	json_bool(&j, "late", measured && e->late);
	json_bool(&j, "resent", e->probe->resent);
	json_count(&j, "sent_late_ns", e->probe->late_own_ns);
	json_end(&j);
}

static void put_event(FILE *f, const struct ping_measures *m, const struct ping_event *e, const char *kind)
{
	bool lasts = e->kind != PING_DROP && e->kind != PING_DAMAGED && e->kind != PING_REGISTERED;
	struct json j;

	begin(&j, f, "event");
	json_text(&j, "kind", kind);
	json_real(&j, "elapsed_s", elapsed_s(m, e->at_ns));
	if (lasts)
		json_real(&j, "duration_s", (double)e->length_ns / 1e9);
	else
		json_null(&j, "duration_s");
	json_count_or_null(&j, "seq", e->probe, e->probe ? e->probe->seq : 0);
	json_count_or_null(&j, "offset", e->kind == PING_DAMAGED, e->offset);
	json_count_or_null(&j, "missing_bytes", e->kind == PING_DROP, e->bytes);
	json_count(&j, "not_sent", e->count);
	json_text(&j, "detail", e->text);
	json_end(&j);
}

void ping_json_event(FILE *f, const struct ping_measures *m, const struct ping_event *e)
{
	switch (e->kind) {
	case PING_SENT: break;
	case PING_ECHOED: put_probe(f, m, e, "echoed"); break;
	case PING_DAMAGED:
		if (e->probe)
			put_probe(f, m, e, "damaged");
		put_event(f, m, e, "damage");
		break;
	case PING_LOST: put_probe(f, m, e, "lost"); break;
	case PING_CUT_OFF: put_probe(f, m, e, "cut_off"); break;
	case PING_NOT_SENT: put_probe(f, m, e, "not_sent"); break;
	case PING_STALL: put_event(f, m, e, "stall"); break;
	case PING_STALL_END: put_event(f, m, e, "stall_end"); break;
	case PING_DROP: put_event(f, m, e, "drop"); break;
	case PING_REDIAL_FAILED: put_event(f, m, e, "redial_failed"); break;
	case PING_BACK: put_event(f, m, e, "back"); break;
	case PING_REGISTERED: put_event(f, m, e, "registered"); break;
	case PING_RENEWED: put_event(f, m, e, "renewed"); break;
	case PING_HELD_UP: put_event(f, m, e, "held_up"); break;
	}
}

/* ---- the result ---- */

static void put_probes(struct json *j, const struct ping_measures *m)
{
	json_open(j, "probes");
	json_count(j, "sent", m->sent);
	json_count(j, "echoed", m->echoed);
	json_count(j, "damaged", m->damaged);
	json_count(j, "lost", m->lost);
	json_count(j, "late", m->late);
	json_count(j, "resent", m->resent);
	json_count(j, "not_sent", m->not_sent);
	json_count(j, "on_their_way", m->sent - m->echoed - m->damaged - m->lost);
	json_count(j, "sent_late", m->sent_late);
	json_close(j);
}

static void put_times(struct json *j, const struct ping_result *r)
{
	const struct histogram *h = &r->measures->rtt;
	bool any = h->count > 0;

	json_open(j, "rtt");
	json_count(j, "count", h->count);
	json_count_or_null(j, "min_ns", any, h->min_ns);
	for (int i = 0; i < PING_PERCENTILES; i++)
		json_count_or_null(j, ping_percentile_keys[i], r->known[i], r->at_ns[i]);
	json_count_or_null(j, "max_ns", any, h->max_ns);
	json_count_or_null(j, "mean_ns", any, (uint64_t)r->mean_ns);
	json_count_or_null(j, "jitter_ns", r->jitter_known, (uint64_t)r->jitter_ns);
	histogram_json(j, "histogram", h);
	json_close(j);
}

static void put_outage(struct json *j, const struct ping_measures *m, uint64_t began_ns, uint64_t length_ns, bool over)
{
	json_open(j, NULL);
	json_real(j, "began_s", elapsed_s(m, began_ns));
	json_real(j, "length_s", (double)length_ns / 1e9);
	json_bool(j, "over", over);
	json_close(j);
}

static void put_path(struct json *j, const struct ping_result *r)
{
	const struct ping_measures *m = r->measures;

	json_count(j, "reconnects", m->reconnects);
	json_real(j, "downtime_s", (double)r->downtime_ns / 1e9);
	json_count(j, "outage_count", m->outages + (r->outage_ns != 0));
	json_open_list(j, "outages");
	for (uint64_t i = 0; i < m->outages && i < PING_OUTAGES_MAX; i++)
		put_outage(j, m, m->outage[i].began_ns, m->outage[i].length_ns, true);
	if (r->outage_ns)
		put_outage(j, m, r->outage_ns, r->now_ns - r->outage_ns, false);
	json_close_list(j);
	json_count(j, "stalls", m->stalls);
	json_real(j, "stalled_s", (double)r->stalled_ns / 1e9);
	json_count(j, "damages", m->damages);
	json_text(j, "first_damage", *m->first_damage ? m->first_damage : NULL);
}

static void put_kernel(struct json *j, const struct kernel_view *k)
{
	if (!k->known) {
		json_null(j, "tcp_info");
		return;
	}
	json_open(j, "tcp_info");
	json_count(j, "rtt_us", k->rtt_us);
	json_count(j, "rttvar_us", k->rttvar_us);
	json_count_or_null(j, "min_rtt_us", k->min_known, k->min_rtt_us);
	json_count(j, "retransmits", k->retransmits);
	json_close(j);
}

void ping_json_result(FILE *f, const struct ping_result *r)
{
	const struct ping_measures *m = r->measures;
	struct json j;

	begin(&j, f, r->final ? "result" : "interim");
	put_run(&j, m);
	json_real(&j, "elapsed_s", elapsed_s(m, r->now_ns));
	json_bool(&j, "interrupted", r->interrupted);
	put_probes(&j, m);
	put_times(&j, r);
	put_path(&j, r);
	put_kernel(&j, &r->kernel);
	if (r->final)
		json_integer(&j, "status", (int)r->status);
	else
		json_null(&j, "status");
	json_text(&j, "why", r->why);
	json_end(&j);
}
