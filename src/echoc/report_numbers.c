#include "report_numbers.h"

#include <math.h>
#include <stdio.h>

#include "must.h"
#include "words.h"

#define KEY_MAX 64

#define TIMES      N_("Times")
#define TRAFFIC    N_("What was sent")
#define OUTAGES    N_("Interruptions")
#define THROUGHPUT N_("Throughput")
#define SERVICE    N_("Service time")
#define KERNEL     N_("TCP, as the kernel sees it")
#define SET_UP     N_("Reaching the server")

const struct report_row report_rows[] = {
    {"count", TIMES, N_("round trips timed"), "*.count", "*.count", REPORT_COUNT, false},
    {"min_ns", NULL, N_("shortest"), "*.min_ns", "*.min_ns", REPORT_NS, false},
    {"p50_ns", NULL, N_("50 % (median)"), "*.p50_ns", "*.p50_ns", REPORT_NS, false},
    {"p90_ns", NULL, N_("90 %"), "*.p90_ns", "*.p90_ns", REPORT_NS, false},
    {"p99_ns", NULL, N_("99 %"), "*.p99_ns", "*.p99_ns", REPORT_NS, false},
    {"p99_9_ns", NULL, N_("99.9 %"), "*.p99_9_ns", "*.p99_9_ns", REPORT_NS, false},
    {"p99_99_ns", NULL, N_("99.99 %"), "*.p99_99_ns", "*.p99_99_ns", REPORT_NS, false},
    {"max_ns", NULL, N_("longest"), "*.max_ns", "*.max_ns", REPORT_NS, false},
    {"mean_ns", NULL, N_("mean"), "*.mean_ns", "*.mean_ns", REPORT_NS, false},
    {"jitter_ns", NULL, N_("jitter"), "*.jitter_ns", NULL, REPORT_NS, false},
    {"service_p50_ns", SERVICE, N_("50 % (median)"), NULL, "service_time.p50_ns", REPORT_NS, true},
    {"service_p99_ns", NULL, N_("99 %"), NULL, "service_time.p99_ns", REPORT_NS, true},
    {"service_max_ns", NULL, N_("longest"), NULL, "service_time.max_ns", REPORT_NS, true},
    {"sent", TRAFFIC, N_("sent"), "probes.sent", "totals.messages_sent", REPORT_COUNT, false},
    {"echoed", NULL, N_("came back"), "probes.echoed", "totals.messages_received", REPORT_COUNT, false},
    {"lost", NULL, N_("lost"), "probes.lost", "totals.messages_lost", REPORT_COUNT, false},
    {"damaged", NULL, N_("damaged"), "probes.damaged", NULL, REPORT_COUNT, false},
    {"late", NULL, N_("late"), "probes.late", NULL, REPORT_COUNT, false},
    {"resent", NULL, N_("sent again, and not timed"), "probes.resent", NULL, REPORT_COUNT, false},
    {"not_sent", NULL, N_("due, but not sent"), "probes.not_sent", "rate.unsent", REPORT_COUNT, false},
    {"sent_late", NULL, N_("sent more than 1 ms late"), "probes.sent_late", "rate.late_sends", REPORT_COUNT, false},
    {"damaged_bytes", NULL, N_("bytes damaged"), NULL, "totals.damaged_bytes", REPORT_BYTES, false},
    {"missing_bytes", NULL, N_("bytes missing"), NULL, "totals.missing_bytes", REPORT_BYTES, false},
    {"errors", NULL, N_("errors"), NULL, "errors.total", REPORT_COUNT, false},
    {"messages_per_s", THROUGHPUT, N_("messages"), NULL, "throughput.messages_per_s", REPORT_PER_SECOND, false},
    {"sent_bytes_per_s", NULL, N_("bytes sent"), NULL, "throughput.sent_bytes_per_s", REPORT_BYTES_PER_SECOND, false},
    {"received_bytes_per_s", NULL, N_("bytes back"), NULL, "throughput.received_bytes_per_s", REPORT_BYTES_PER_SECOND,
     false},
    {"target_per_s", NULL, N_("messages asked for"), NULL, "rate.target_per_s", REPORT_PER_SECOND, false},
    {"window_s", NULL, N_("measured for"), NULL, "window_s", REPORT_SECONDS, false},
    {"reconnects", OUTAGES, N_("connected anew"), "reconnects", NULL, REPORT_COUNT, false},
    {"downtime_s", NULL, N_("not connected for"), "downtime_s", NULL, REPORT_SECONDS, false},
    {"stalls", NULL, N_("stalls"), "stalls", NULL, REPORT_COUNT, false},
    {"stalled_s", NULL, N_("stalled for"), "stalled_s", NULL, REPORT_SECONDS, false},
    {"tcp_rtt_us", KERNEL, N_("smoothed round trip"), "tcp_info.rtt_us", NULL, REPORT_US, false},
    {"tcp_rttvar_us", NULL, N_("its variation"), "tcp_info.rttvar_us", NULL, REPORT_US, false},
    {"tcp_min_rtt_us", NULL, N_("shortest round trip"), "tcp_info.min_rtt_us", NULL, REPORT_US, false},
    {"tcp_retransmits", NULL, N_("segments sent again"), "tcp_info.retransmits", NULL, REPORT_COUNT, false},
    {"lookup_ns", SET_UP, N_("name look-up"), "phases.lookup_ns", NULL, REPORT_NS, false},
    {"tcp_ns", NULL, N_("TCP connection"), "phases.tcp_ns", NULL, REPORT_NS, false},
    {"tls_ns", NULL, N_("TLS handshake"), "phases.tls_ns", NULL, REPORT_NS, false},
    {"login_ns", NULL, N_("login"), "phases.login_ns", NULL, REPORT_NS, false},
    {"echo_ns", NULL, N_("first echo"), "phases.echo_ns", NULL, REPORT_NS, false},
    {"set_up_p50_ns", NULL, N_("all of it, 50 % (median)"), NULL, "set_up_time.p50_ns", REPORT_NS, false},
    {"set_up_max_ns", NULL, N_("all of it, longest"), NULL, "set_up_time.max_ns", REPORT_NS, false},
};
const size_t report_row_count = array_size(report_rows);

double report_number(const struct run *r, const struct report_row *row)
{
	const char *path = r->kind == REPORT_PING ? row->ping : row->load;
	char key[KEY_MAX];

	if (!path || (row->open_only && !report_run_is_open(r)))
		return NAN;
	if (*path != '*')
		return report_run_number(r, path);
	snprintf(key, sizeof(key), "%s%s", report_run_times(r), path + 1);
	return report_run_number(r, key);
}

bool report_row_is_known(const struct report_set *set, const struct report_row *row)
{
	for (size_t i = 0; i < set->count; i++) {
		if (!isnan(report_number(set->runs[i], row)))
			return true;
	}
	return false;
}

const char *report_times_name(const struct run *r)
{
	if (r->kind == REPORT_PING)
		return _("round-trip time");
	return report_run_is_open(r) ? _("response time, from when a message was due")
	                             : _("service time, from when a message was sent");
}
