/* What a ping counts and times, from what the path tells. */
#ifndef ECHOC_PING_MEASURES_H
#define ECHOC_PING_MEASURES_H

#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"
#include "kernel_view.h"
#include "phase.h"
#include "ping_event.h"
#include "reach.h"
#include "status.h"

#define PING_OUTAGES_MAX 1000    /* that are kept one by one; all are counted */
#define PING_LATE_OWN_NS 1000000 /* a send that is later by our own fault is counted, as a load's is */

struct ping_outage {
	uint64_t began_ns, length_ns;
};

struct ping_measures {
	const char *where;
	const struct ping_options *options;
	char seen_as[REACH_SEEN_MAX];
	int64_t started_us; /* wall clock */
	uint64_t start_ns;  /* the same, and what is told as elapsed counts from here */
	struct phases phases;
	uint64_t sent;   /* = echoed + damaged + lost + those on their way */
	uint64_t echoed; /* late ones and those that were sent again among them */
	uint64_t late, resent, damaged, lost;
	uint64_t not_sent;  /* due while there was no connection, or while this program was held up */
	uint64_t sent_late; /* by our own fault */
	uint64_t damages;   /* the places; a probe is damaged once, and bytes that nothing was sent for are none's */
	uint64_t reconnects;
	uint64_t stalls;               /* all of them; */
	uint64_t stalled_ns;           /* the time of one that ended as an outage is the outage's */
	uint64_t outages, downtime_ns; /* that are over */
	struct ping_outage outage[PING_OUTAGES_MAX];
	uint64_t last_rtt_ns, jitter_sum_ns; /* of the differences between consecutive round trips */
	struct histogram rtt;                /* of what was echoed, but for what was sent again */
	char first_damage[256];              /* the place and the bytes; empty: none */
};

void ping_measures_init(struct ping_measures *);
void ping_measures_take(struct ping_measures *, const struct ping_event *);

/* A percentile is known only where enough samples stand behind it: p99 above 100 of them, p99.9 above 1,000. */
enum ping_percentile { PING_P50, PING_P90, PING_P99, PING_P99_9, PING_PERCENTILES };

extern const char *const ping_percentile_names[PING_PERCENTILES]; /* for a person: p99.9 */
extern const char *const ping_percentile_keys[PING_PERCENTILES];  /* for JSON: p99_9_ns */

/* What it has come to so far: worked out once for the text and for the JSON. */
struct ping_result {
	const struct ping_measures *measures;
	struct kernel_view kernel;
	uint64_t now_ns;
	bool final, interrupted;
	uint64_t outage_ns; /* when the outage began that still goes on; 0: none */
	uint64_t stall_ns;  /* the same of a stall */
	uint64_t downtime_ns, stalled_ns;
	bool known[PING_PERCENTILES];
	uint64_t at_ns[PING_PERCENTILES];
	double mean_ns;
	bool jitter_known;
	double jitter_ns;
	enum status status;
	const char *why; /* it was ended early, without its full stop; NULL: nothing did */
};

/* Fills in from measures, now_ns, outage_ns and stall_ns, which are set before, all but kernel and the two flags. */
void ping_result_work_out(struct ping_result *);

#endif
