#include "pipe.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "exchange.h"
#include "output.h"
#include "program.h"
#include "wait.h"
#include "words.h"

#define FAREWELL_MS 10000  /* how long the server may take to end after the last byte */
#define STALL_MS    300000 /* how long nothing may come back of what is on its way: echod's own --stall-time */

struct pipe {
	struct reach *reach;
	struct exchange exchange;
	struct output output;
	uint64_t farewell_ms; /* until when the server's end is awaited; 0: not yet */
	uint64_t stall_ms;    /* until when a byte must come back; WAIT_FOR_EVER: none is missing */
	bool over;            /* the exchange is: only output is left */
	enum status status;
};

static void fail(struct pipe *p)
{
	p->over = true;
	p->status = STATUS_LOST;
}

static void read_input(struct pipe *p)
{
	uint8_t *at;
	size_t room = exchange_room_at(&p->exchange, &at);
	ssize_t n = read(STDIN_FILENO, at, room < EXCHANGE_READ ? room : EXCHANGE_READ);

	if (n > 0) {
		exchange_filled(&p->exchange, (size_t)n);
	} else if (n == 0) {
		exchange_end(&p->exchange);
	} else if (errno != EAGAIN && errno != EINTR) {
		program_say(ECHOC, _("cannot read standard input: %s: check where it comes from."), words_error(errno));
		fail(p);
	}
}

/* Writes what came back. Returns 0 or a negative errno; then there is no more writing. */
static int write_output(struct pipe *p)
{
	const uint8_t *at;
	size_t len = exchange_echoed_at(&p->exchange, &at);
	ssize_t n = output_write(&p->output, at, len);

	if (n == -EAGAIN)
		return 0;
	if (n < 0)
		return (int)n;
	exchange_taken(&p->exchange, (size_t)n);
	return 0;
}

static enum status say_output_failed(struct pipe *p, int err)
{
	unsigned long long n = p->exchange.taken;

	program_say(ECHOC,
	            ngettext("cannot write to standard output after %llu byte: %s: check where it goes to.",
	                     "cannot write to standard output after %llu bytes: %s: check where it goes to.", n),
	            n, words_error(-err));
	return STATUS_LOST;
}

static void say_damaged(struct pipe *p)
{
	char text[EXCHANGE_TEXT_MAX];

	exchange_describe_damage(&p->exchange, text, sizeof(text));
	program_say(ECHOC, _("%s damaged the data: %s: %s."), p->reach->where, text, exchange_advise(&p->exchange));
	fail(p);
}

/* what: a clause. */
static void say_lost(struct pipe *p, const char *what, const char *advice)
{
	unsigned long long back = p->exchange.echoed, of = p->exchange.filled;

	if (p->exchange.ended)
		program_say(
		    ECHOC,
		    ngettext("%s: %llu of %llu bytes came back: %s.", "%s: %llu of %llu bytes came back: %s.", of),
		    what, back, of, advice);
	else
		program_say(ECHOC,
		            ngettext("%s: %llu of %llu bytes came back and standard input had not ended: %s.",
		                     "%s: %llu of %llu bytes came back and standard input had not ended: %s.", of),
		            what, back, of, advice);
	fail(p);
}

/* Somebody or something has changed what came, and TLS has seen it: that is no drop. */
static void say_broken(struct pipe *p)
{
	char what[EXCHANGE_TEXT_MAX];

	exchange_describe_end(&p->exchange, p->reach->where, what, sizeof(what));
	say_lost(p, what, _("what lies on the way changes bytes, or the server is broken"));
	p->status = STATUS_NO_SECRET;
}

static void come_back(struct pipe *p)
{
	char what[EXCHANGE_TEXT_MAX];
	struct channel channel;

	exchange_describe_end(&p->exchange, p->reach->where, what, sizeof(what));
	exchange_detach(&p->exchange);
	if (p->reach->address.raw && !p->reach->options->reconnect) {
		say_lost(p, what, _("try again, or let --reconnect send the rest again"));
		return;
	}
	enum status status = reach_again(p->reach, what, exchange_missing(&p->exchange), &channel);
	if (status == STATUS_FINE) {
		exchange_attach(&p->exchange, &channel);
		p->stall_ms = WAIT_FOR_EVER;
	} else if (status == STATUS_UNREACHABLE) {
		snprintf(what, sizeof(what), _("%s did not come back in time"), p->reach->where);
		say_lost(p, what, _("see what happened to the server, or give --retry-time more"));
	} else {
		p->over = true;
		p->status = status;
	}
}

static void step(struct pipe *p, short revents)
{
	uint64_t before = p->exchange.echoed;
	enum exchange_result result = exchange_step(&p->exchange, revents);

	if (p->exchange.echoed > before) {
		reach_progress(p->reach);
		p->stall_ms = WAIT_FOR_EVER;
	}
	switch (result) {
	case EXCHANGE_GOES_ON: break;
	case EXCHANGE_DONE: p->over = true; break;
	case EXCHANGE_DROPPED: come_back(p); break;
	case EXCHANGE_DAMAGED: say_damaged(p); break;
	case EXCHANGE_FAILED: say_broken(p); break;
	}
}

/* Everything came back, but the server may take its time to end. */
static void await_farewell(struct pipe *p)
{
	if (p->over || !exchange_complete(&p->exchange)) {
		p->farewell_ms = 0;
		return;
	}
	if (p->farewell_ms == 0)
		p->farewell_ms = wait_now_ms() + FAREWELL_MS;
	if (wait_now_ms() < p->farewell_ms)
		return;
	program_say(
	    ECHOC,
	    _("every byte came back, but %s kept the connection open for %d s after: it may not know half-close."),
	    p->reach->where, FAREWELL_MS / 1000);
	p->over = true;
}

/* A far end that swallows bytes and says nothing must not hold up whoever waits for us. */
static void await_progress(struct pipe *p)
{
	char what[EXCHANGE_TEXT_MAX];

	if (p->over || exchange_missing(&p->exchange) == 0) {
		p->stall_ms = WAIT_FOR_EVER;
	} else if (p->stall_ms == WAIT_FOR_EVER) {
		p->stall_ms = wait_now_ms() + STALL_MS;
	} else if (wait_now_ms() >= p->stall_ms) {
		snprintf(what, sizeof(what), _("%s let no byte come back for 5 minutes"), p->reach->where);
		say_lost(p, what, _("the far end may be stuck"));
	}
}

static int timeout_ms(const struct pipe *p)
{
	if (!p->over && exchange_pending(&p->exchange))
		return 0;
	return wait_poll_ms(p->farewell_ms ? p->farewell_ms : p->stall_ms);
}

/* One turn. Returns 0, or a negative errno when standard output is of no use any more. */
static int turn(struct pipe *p)
{
	const uint8_t *at;
	bool writes = exchange_echoed_at(&p->exchange, &at) > 0;
	struct pollfd fds[] = {
	    {.fd = !p->over && exchange_room(&p->exchange) ? STDIN_FILENO : -1, .events = POLLIN},
	    {.fd = p->output.fd, .events = writes ? POLLOUT : 0},
	    {.fd = p->over ? -1 : p->exchange.channel.fd, .events = exchange_events(&p->exchange)},
	};

	if (poll(fds, array_size(fds), timeout_ms(p)) < 0)
		return 0; /* EINTR, or no memory for a moment */
	if (fds[1].revents & POLLOUT) {
		int err = write_output(p);
		if (err)
			return err;
	} else if (fds[1].revents) {
		return -EPIPE;
	}
	if (fds[0].revents)
		read_input(p);
	if (!p->over)
		step(p, fds[2].revents);
	await_farewell(p);
	await_progress(p);
	return 0;
}

static enum status run(struct pipe *p)
{
	int err = 0;

	while (!err && !(p->over && p->exchange.taken == p->exchange.echoed))
		err = turn(p);
	return err ? say_output_failed(p, err) : p->status;
}

enum status pipe_run(struct reach *reach)
{
	struct pipe p = {.reach = reach, .stall_ms = WAIT_FOR_EVER};
	struct channel channel;

	if (exchange_init(&p.exchange)) {
		program_say(ECHOC, _("there is no memory for a window of 1 MiB: free some and try again."));
		return STATUS_LOST;
	}
	enum status status = reach_first(reach, &channel);
	if (status == STATUS_FINE) {
		output_open(&p.output);
		p.exchange.chunk = (size_t)reach->options->chunk;
		exchange_attach(&p.exchange, &channel);
		status = run(&p);
		output_close(&p.output);
	}
	exchange_fini(&p.exchange);
	return status;
}
