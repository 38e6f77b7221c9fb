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
    {"count", TIMES, N_("round trips timed"), REPORT_COUNT, "*.count", "*.count", false},
    {"min_ns", NULL, N_("shortest"), REPORT_NS, "*.min_ns", "*.min_ns", false},
    {"p50_ns", NULL, N_("50 % (median)"), REPORT_NS, "*.p50_ns", "*.p50_ns", false},
    {"p90_ns", NULL, N_("90 %"), REPORT_NS, "*.p90_ns", "*.p90_ns", false},
    {"p99_ns", NULL, N_("99 %"), REPORT_NS, "*.p99_ns", "*.p99_ns", false},
    {"p99_9_ns", NULL, N_("99.9 %"), REPORT_NS, "*.p99_9_ns", "*.p99_9_ns", false},
    {"p99_99_ns", NULL, N_("99.99 %"), REPORT_NS, "*.p99_99_ns", "*.p99_99_ns", false},
    {"max_ns", NULL, N_("longest"), REPORT_NS, "*.max_ns", "*.max_ns", false},
    {"mean_ns", NULL, N_("mean"), REPORT_NS, "*.mean_ns", "*.mean_ns", false},
    {"jitter_ns", NULL, N_("jitter"), REPORT_NS, "*.jitter_ns", NULL, false},
    {"service_p50_ns", SERVICE, N_("50 % (median)"), REPORT_NS, NULL, "service_time.p50_ns", true},
    {"service_p99_ns", NULL, N_("99 %"), REPORT_NS, NULL, "service_time.p99_ns", true},
    {"service_max_ns", NULL, N_("longest"), REPORT_NS, NULL, "service_time.max_ns", true},
    {"sent", TRAFFIC, N_("sent"), REPORT_COUNT, "probes.sent", "totals.messages_sent", false},
    {"echoed", NULL, N_("came back"), REPORT_COUNT, "probes.echoed", "totals.messages_received", false},
    {"lost", NULL, N_("lost"), REPORT_COUNT, "probes.lost", "totals.messages_lost", false},
    {"damaged", NULL, N_("damaged"), REPORT_COUNT, "probes.damaged", NULL, false},
    {"late", NULL, N_("late"), REPORT_COUNT, "probes.late", NULL, false},
    {"resent", NULL, N_("sent again, and not timed"), REPORT_COUNT, "probes.resent", NULL, false},
    {"not_sent", NULL, N_("due, but not sent"), REPORT_COUNT, "probes.not_sent", "rate.unsent", false},
    {"sent_late", NULL, N_("sent more than 1 ms late"), REPORT_COUNT, "probes.sent_late", "rate.late_sends", false},
    {"damaged_bytes", NULL, N_("bytes damaged"), REPORT_BYTES, NULL, "totals.damaged_bytes", false},
    {"missing_bytes", NULL, N_("bytes missing"), REPORT_BYTES, NULL, "totals.missing_bytes", false},
    {"errors", NULL, N_("errors"), REPORT_COUNT, NULL, "errors.total", false},
    {"messages_per_s", THROUGHPUT, N_("messages"), REPORT_PER_SECOND, NULL, "throughput.messages_per_s", false},
    {"sent_bytes_per_s", NULL, N_("bytes sent"), REPORT_BYTES_PER_SECOND, NULL, "throughput.sent_bytes_per_s", false},
    {"received_bytes_per_s", NULL, N_("bytes back"), REPORT_BYTES_PER_SECOND, NULL, "throughput.received_bytes_per_s",
     false},
    {"target_per_s", NULL, N_("messages asked for"), REPORT_PER_SECOND, NULL, "rate.target_per_s", false},
    {"window_s", NULL, N_("measured for"), REPORT_SECONDS, NULL, "window_s", false},
    {"reconnects", OUTAGES, N_("connected anew"), REPORT_COUNT, "reconnects", NULL, false},
    {"downtime_s", NULL, N_("not connected for"), REPORT_SECONDS, "downtime_s", NULL, false},
    {"stalls", NULL, N_("stalls"), REPORT_COUNT, "stalls", NULL, false},
    {"stalled_s", NULL, N_("stalled for"), REPORT_SECONDS, "stalled_s", NULL, false},
    {"tcp_rtt_us", KERNEL, N_("smoothed round trip"), REPORT_US, "tcp_info.rtt_us", NULL, false},
    {"tcp_rttvar_us", NULL, N_("its variation"), REPORT_US, "tcp_info.rttvar_us", NULL, false},
    {"tcp_min_rtt_us", NULL, N_("shortest round trip"), REPORT_US, "tcp_info.min_rtt_us", NULL, false},
    {"tcp_retransmits", NULL, N_("segments sent again"), REPORT_COUNT, "tcp_info.retransmits", NULL, false},
    {"lookup_ns", SET_UP, N_("name look-up"), REPORT_NS, "phases.lookup_ns", NULL, false},
    {"tcp_ns", NULL, N_("TCP connection"), REPORT_NS, "phases.tcp_ns", NULL, false},
    {"tls_ns", NULL, N_("TLS handshake"), REPORT_NS, "phases.tls_ns", NULL, false},
    {"login_ns", NULL, N_("login"), REPORT_NS, "phases.login_ns", NULL, false},
    {"echo_ns", NULL, N_("first echo"), REPORT_NS, "phases.echo_ns", NULL, false},
    {"set_up_p50_ns", NULL, N_("all of it, 50 % (median)"), REPORT_NS, NULL, "set_up_time.p50_ns", false},
    {"set_up_max_ns", NULL, N_("all of it, longest"), REPORT_NS, NULL, "set_up_time.max_ns", false},
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
