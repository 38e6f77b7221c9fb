#include "talk_stats.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#include "words.h"

#define P99_SAMPLES 100 /* above so many p99 is another value than the maximum */

static double in_ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

static void show_server(const struct reach *r, const struct channel *c)
{
	char how[128], pin[TLS_PIN_MAX];

	if (r->user)
		printf(_("Server: %s, as %s\n"), r->where, r->shown_user);
	else
		printf(_("Server: %s, without login\n"), r->where);
	if (!c->tls || tls_pin(c->tls, pin))
		return;
	tls_describe(c->tls, how, sizeof(how));
	printf(_("TLS: %s, key %s\n"), how, pin);
}

/* In the person's own time. */
static void show_since(const struct talk_stats *s, bool is_connected)
{
	time_t when = (time_t)(s->since_us / 1000000);
	struct tm tm;
	char text[64] = "";

	if (localtime_r(&when, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	if (!is_connected)
		printf(_("Not connected since %s\n"), text);
	else if (s->reconnects == 0)
		printf(_("Connected since %s\n"), text);
	else
		printf(ngettext("Connected since %s, after %u reconnection\n",
		                "Connected since %s, after %u reconnections\n", s->reconnects),
		       text, s->reconnects);
}

static void show_bytes(const struct exchange *ex)
{
	unsigned long long sent = ex->filled, back = ex->echoed;

	printf(ngettext("Sent %llu byte, %llu came back.\n", "Sent %llu bytes, %llu came back.\n", sent), sent, back);
}

static void show_round_trips(const struct histogram *h)
{
	double min = in_ms(h->min_ns), p50 = in_ms(histogram_at(h, 50000)), p90 = in_ms(histogram_at(h, 90000)),
	       p99 = in_ms(histogram_at(h, 99000)), max = in_ms(h->max_ns);
	unsigned long long n = h->count;

	if (n == 0)
		puts(_("Round trips: none yet"));
	else if (n > P99_SAMPLES)
		printf(ngettext("Round trips of %llu line: min %.2f, p50 %.2f, p90 %.2f, p99 %.2f, max %.2f ms\n",
		                "Round trips of %llu lines: min %.2f, p50 %.2f, p90 %.2f, p99 %.2f, max %.2f ms\n", n),
		       n, min, p50, p90, p99, max);
	else
		printf(ngettext("Round trips of %llu line: min %.2f, p50 %.2f, p90 %.2f, max %.2f ms\n",
		                "Round trips of %llu lines: min %.2f, p50 %.2f, p90 %.2f, max %.2f ms\n", n),
		       n, min, p50, p90, max);
}

/* What the kernel has measured (tcp(7), TCP_INFO); a unix socket has nothing like it. */
static void show_kernel(const struct channel *c)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return;
	printf(ngettext("The kernel: round trip %.2f ms, %u segment sent again\n",
	                "The kernel: round trip %.2f ms, %u segments sent again\n", info.tcpi_total_retrans),
	       info.tcpi_rtt / 1e3, info.tcpi_total_retrans);
}

void talk_stats_show(const struct talk_stats *s, const struct reach *r, const struct exchange *ex,
                     const struct histogram *round_trips)
{
	show_server(r, &ex->channel);
	show_since(s, ex->channel.fd >= 0);
	show_bytes(ex);
	show_round_trips(round_trips);
	show_kernel(&ex->channel);
}
