#include "ping_measures.h"

#include "text.h"

#define SAMPLES_P99   100
#define SAMPLES_P99_9 1000

const char *const ping_percentile_names[PING_PERCENTILES] = {"p50", "p90", "p99", "p99.9"};
const char *const ping_percentile_keys[PING_PERCENTILES] = {"p50_ns", "p90_ns", "p99_ns", "p99_9_ns"};

void ping_measures_init(struct ping_measures *m)
{
	*m = (struct ping_measures){0};
	histogram_init(&m->rtt);
}

static void add_rtt(struct ping_measures *m, uint64_t ns)
{
	uint64_t last = m->last_rtt_ns;

	if (m->rtt.count > 0)
		m->jitter_sum_ns += ns > last ? ns - last : last - ns;
	m->last_rtt_ns = ns;
	histogram_add(&m->rtt, ns);
}

static void take_echoed(struct ping_measures *m, const struct ping_event *e)
{
	if (!m->phases.known[PHASE_ECHO] && !e->probe->resent) {
		m->phases.known[PHASE_ECHO] = true;
		m->phases.ns[PHASE_ECHO] = e->length_ns;
	}
	m->echoed++;
	if (e->probe->resent) {
		m->resent++;
		return;
	}
	m->late += e->late;
	add_rtt(m, e->length_ns);
}

static void take_damaged(struct ping_measures *m, const struct ping_event *e)
{
	m->damages++;
	m->damaged += e->probe != NULL;
	if (!*m->first_damage)
		(void)text_copy(m->first_damage, sizeof(m->first_damage), e->text);
}

static void take_back(struct ping_measures *m, const struct ping_event *e)
{
	m->reconnects++;
	m->downtime_ns += e->length_ns;
	if (m->outages < PING_OUTAGES_MAX)
		m->outage[m->outages] = (struct ping_outage){.began_ns = e->began_ns, .length_ns = e->length_ns};
	m->outages++;
}

void ping_measures_take(struct ping_measures *m, const struct ping_event *e)
{
	switch (e->kind) {
	case PING_SENT:
		m->sent++;
		m->sent_late += e->probe->late_own_ns > PING_LATE_OWN_NS;
		break;
	case PING_ECHOED: take_echoed(m, e); break;
	case PING_DAMAGED: take_damaged(m, e); break;
	case PING_LOST: m->lost++; break;
	case PING_NOT_SENT:
	case PING_HELD_UP: m->not_sent += e->count; break;
	case PING_STALL: m->stalls++; break;
	case PING_STALL_END: m->stalled_ns += e->length_ns; break;
	case PING_CUT_OFF:
	case PING_DROP:
	case PING_REDIAL_FAILED:
	case PING_REGISTERED: break;
	case PING_BACK: take_back(m, e); break;
	case PING_RENEWED: m->reconnects++; break;
	}
}

void ping_result_work_out(struct ping_result *r)
{
	static const uint64_t shares[PING_PERCENTILES] = {50000, 90000, 99000, 99900};
	static const uint64_t samples[PING_PERCENTILES] = {0, 0, SAMPLES_P99, SAMPLES_P99_9};
	const struct ping_measures *m = r->measures;

	for (int i = 0; i < PING_PERCENTILES; i++) {
		r->known[i] = m->rtt.count > samples[i];
		r->at_ns[i] = histogram_at(&m->rtt, shares[i]);
	}
	r->mean_ns = histogram_mean_ns(&m->rtt);
	r->jitter_known = m->rtt.count > 1;
	r->jitter_ns = r->jitter_known ? (double)m->jitter_sum_ns / (double)(m->rtt.count - 1) : 0;
	r->downtime_ns = m->downtime_ns + (r->outage_ns ? r->now_ns - r->outage_ns : 0);
	r->stalled_ns = m->stalled_ns + (r->stall_ns ? r->now_ns - r->stall_ns : 0);
	r->status = m->lost || m->damages || r->outage_ns ? STATUS_LOST : STATUS_FINE;
}
