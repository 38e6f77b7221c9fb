#include "round_trip.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/random.h>

#include "clock.h"
#include "exchange.h"
#include "wait.h"
#include "words.h"

#define FAREWELL_MS 1000 /* how long the server may take to end: some never do, and all has come back */

static enum status PRINTF_LIKE(3, 4) fail(struct reach *r, enum status status, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(r->why, sizeof(r->why), fmt, args);
	va_end(args);
	r->phase_s = (double)(clock_now_ns() - r->phase_began_ns) / 1e9;
	return status;
}

/* What the exchange ended with, before all had come back. */
static enum status explain(struct reach *r, const struct exchange *ex, enum exchange_result result)
{
	char text[EXCHANGE_TEXT_MAX];

	switch (result) {
	case EXCHANGE_GOES_ON:
		return fail(r, STATUS_NOT_PROTOCOL,
		            _("%s sent back %llu of %d bytes in %d s: check whether it is an echo server"), r->where,
		            (unsigned long long)ex->echoed, ROUND_TRIP_BYTES, ROUND_TRIP_MS / 1000);
	case EXCHANGE_DONE:
	case EXCHANGE_DROPPED: break;
	case EXCHANGE_DAMAGED:
		exchange_describe_damage(ex, text, sizeof(text));
		return fail(r, STATUS_LOST, _("%s damaged the data: %s: %s"), r->where, text, exchange_advise(ex));
	case EXCHANGE_FAILED:
		return fail(r, STATUS_NO_SECRET,
		            _("%s sent what TLS refuses (%s): what lies on the way changes bytes, or the server is "
		              "broken"),
		            r->where, channel_why(&ex->channel, ex->error));
	}
	if (!ex->error)
		return fail(r, STATUS_LOST,
		            _("%s ended the connection when %llu of %d bytes had come back: see the server's log, or "
		              "let --wait 30s keep trying"),
		            r->where, (unsigned long long)ex->echoed, ROUND_TRIP_BYTES);
	return fail(r, STATUS_LOST,
	            _("lost the connection to %s (%s) when %llu of %d bytes had come back: see the server's log, or "
	              "let --wait 30s keep trying"),
	            r->where, channel_why(&ex->channel, ex->error), (unsigned long long)ex->echoed, ROUND_TRIP_BYTES);
}

/* Goes on until nothing is missing, or to the end of the connection where `ends`, or until until_ms. */
static enum exchange_result drive(struct exchange *ex, bool ends, uint64_t until_ms)
{
	enum exchange_result result = exchange_step(ex, 0);

	while (result == EXCHANGE_GOES_ON && (ends || exchange_missing(ex) > 0)) {
		struct pollfd p = {.fd = ex->channel.fd, .events = exchange_events(ex)};
		if (wait_now_ms() >= until_ms)
			break;
		if (poll(&p, 1, exchange_pending(ex) ? 0 : wait_poll_ms(until_ms)) < 0)
			continue; /* EINTR, or no memory for a moment */
		result = exchange_step(ex, p.revents);
	}
	return result;
}

static enum status run(struct reach *r, struct exchange *ex, struct round_trip *trip)
{
	uint8_t bytes[ROUND_TRIP_BYTES];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return fail(r, STATUS_LOST, _("the kernel gives no random bytes: try again"));
	exchange_put(ex, bytes, sizeof(bytes));
	enum exchange_result result = drive(ex, false, wait_now_ms() + ROUND_TRIP_MS);
	trip->ns = clock_now_ns() - r->phase_began_ns;
	if (result != EXCHANGE_GOES_ON || exchange_missing(ex) > 0) {
		trip->dropped = result == EXCHANGE_DROPPED;
		return explain(r, ex, result);
	}
	r->phases.known[PHASE_ECHO] = true;
	r->phases.ns[PHASE_ECHO] = trip->ns;
	exchange_end(ex);
	result = drive(ex, true, wait_now_ms() + FAREWELL_MS);
	/* How it ends is no matter; that more comes back than was sent is. */
	return result == EXCHANGE_DAMAGED || result == EXCHANGE_FAILED ? explain(r, ex, result) : STATUS_FINE;
}

enum status round_trip_make(struct reach *r, struct channel *c, struct round_trip *trip)
{
	struct exchange ex;

	*trip = (struct round_trip){0};
	r->phase = PHASE_ECHO;
	r->phase_began_ns = clock_now_ns();
	if (exchange_init(&ex)) {
		channel_close(c);
		return fail(r, STATUS_LOST, _("there is no memory for a window of 1 MiB: free some and try again"));
	}
	exchange_attach(&ex, c);
	enum status status = run(r, &ex, trip);
	exchange_fini(&ex);
	return status;
}
