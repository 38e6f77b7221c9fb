#include "talk.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "exchange.h"
#include "program.h"
#include "text.h"
#include "typed.h"
#include "wait.h"

#define LINE_MAX_BYTES 8192 /* a terminal gives 4095 at most (termios(3)) */
#define LINES_MAX      64   /* lines on their way; more are not read from the terminal */
#define LEAVE_MS       2000 /* how long what is on its way may still take */

struct line {
	uint64_t begin, end; /* offsets of the stream */
	uint64_t typed_ns;
};

struct talk {
	struct reach *reach;
	struct exchange exchange;
	bool prompts, prompted; /* standard output is a terminal; a prompt stands there */
	bool over;
	enum status status;
	uint64_t leave_ms; /* until when to wait for the rest; 0: not leaving */
	size_t typed_len;
	char typed[LINE_MAX_BYTES];
	unsigned first, count; /* of the lines on their way, a ring */
	struct line lines[LINES_MAX];
};

static void show_reply(const char *text)
{
	printf("%s\n", text);
}

static void prompt(struct talk *t)
{
	if (t->prompts && !t->prompted && t->count == 0 && !t->leave_ms) {
		fputs("> ", stdout);
		t->prompted = true;
	}
}

/* What is said next begins on a line of its own. */
static void leave_prompt(struct talk *t)
{
	if (t->prompted)
		putchar('\n');
	t->prompted = false;
	fflush(stdout);
}

static void leave(struct talk *t)
{
	exchange_end(&t->exchange);
	t->leave_ms = wait_now_ms() + LEAVE_MS;
}

static void send_line(struct talk *t, const char *text, size_t len)
{
	struct line *line = &t->lines[(t->first + t->count++) % LINES_MAX];

	line->begin = t->exchange.filled;
	exchange_put(&t->exchange, text, len);
	line->end = t->exchange.filled;
	line->typed_ns = clock_now_ns();
}

/* A line of len bytes, with its LF. */
static void act_on(struct talk *t, const char *line, size_t len)
{
	char shown[64];
	size_t from;

	switch (typed_read(line, len - 1, &from)) {
	case TYPED_TEXT: send_line(t, line + from, len - from); break;
	case TYPED_LEAVE: leave(t); break;
	case TYPED_HELP: fputs(typed_help, stdout); break;
	case TYPED_UNKNOWN:
		text_escape_utf8(shown, sizeof(shown), line, len - 1);
		program_say(ECHOC, "there is no command %s: /help lists them, and /say %s sends it.", shown, shown);
		break;
	}
}

static bool has_room(const struct talk *t)
{
	return t->count < LINES_MAX && exchange_room(&t->exchange) >= LINE_MAX_BYTES;
}

/* Acts on whole lines while there is room for them; a full buffer without an end of line is sent as it is. */
static void act_on_lines(struct talk *t)
{
	while (t->typed_len > 0 && has_room(t)) {
		const char *lf = memchr(t->typed, '\n', t->typed_len);
		if (!lf && t->typed_len < sizeof(t->typed))
			break;
		size_t len = lf ? (size_t)(lf - t->typed) + 1 : t->typed_len;
		if (lf)
			act_on(t, t->typed, len);
		else
			send_line(t, t->typed, len);
		t->typed_len -= len;
		memmove(t->typed, t->typed + len, t->typed_len);
	}
}

static void read_typed(struct talk *t)
{
	ssize_t n = read(STDIN_FILENO, t->typed + t->typed_len, sizeof(t->typed) - t->typed_len);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) { /* Ctrl-D, or the terminal is gone */
		leave_prompt(t);
		if (t->typed_len > 0)
			send_line(t, t->typed, t->typed_len);
		t->typed_len = 0;
		leave(t);
		return;
	}
	t->prompted = false; /* the person's Enter ended its line */
	t->typed_len += (size_t)n;
}

/* Takes len bytes that came back out of the exchange. */
static void take(struct talk *t, char *text, size_t len)
{
	const uint8_t *at;

	while (len > 0) {
		size_t n = exchange_echoed_at(&t->exchange, &at);
		if (n > len)
			n = len;
		memcpy(text, at, n);
		exchange_taken(&t->exchange, n);
		text += n;
		len -= n;
	}
}

/* Shows the lines that have come back whole. */
static void show_echoed(struct talk *t, uint64_t now_ns)
{
	char text[LINE_MAX_BYTES], shown[LINE_MAX_BYTES * 4 + 1];

	while (t->count > 0 && t->lines[t->first].end <= t->exchange.echoed) {
		const struct line *line = &t->lines[t->first];
		size_t len = (size_t)(line->end - line->begin);
		take(t, text, len);
		if (len > 0 && text[len - 1] == '\n')
			len--;
		text_escape_utf8(shown, sizeof(shown), text, len);
		printf("%s   %.2f ms\n", shown, (double)(now_ns - line->typed_ns) / 1e6);
		t->first = (t->first + 1) % LINES_MAX;
		t->count--;
	}
}

static void fail(struct talk *t)
{
	t->over = true;
	t->status = STATUS_LOST;
}

/* The one line at the end. */
static void sum_up(struct talk *t)
{
	unsigned long long sent = t->exchange.filled, back = t->exchange.echoed;

	leave_prompt(t);
	printf("Sent %llu bytes, %llu came back.\n", sent, back);
	if (back < sent)
		fail(t);
	t->over = true;
}

static void come_back(struct talk *t)
{
	char what[EXCHANGE_TEXT_MAX];
	struct channel channel;

	exchange_describe_end(&t->exchange, t->reach->where, what, sizeof(what));
	exchange_detach(&t->exchange);
	if (t->leave_ms) {
		sum_up(t);
		return;
	}
	leave_prompt(t);
	if (t->reach->address.raw && !t->reach->options->reconnect) {
		program_say(ECHOC, "%s: dial again, or let --reconnect do it.", what);
		sum_up(t);
		return;
	}
	enum status status = reach_again(t->reach, what, exchange_missing(&t->exchange), &channel);
	if (status == STATUS_FINE) {
		exchange_attach(&t->exchange, &channel);
	} else {
		t->over = true;
		t->status = status;
	}
}

static void say_damaged(struct talk *t)
{
	char text[128];

	leave_prompt(t);
	exchange_describe_damage(&t->exchange, text, sizeof(text));
	program_say(ECHOC, "%s damaged the data: %s: %s.", t->reach->where, text, exchange_advise(&t->exchange));
	fail(t);
}

/* Somebody or something has changed what came, and TLS has seen it: that is no drop. */
static void say_broken(struct talk *t)
{
	char what[EXCHANGE_TEXT_MAX];

	exchange_describe_end(&t->exchange, t->reach->where, what, sizeof(what));
	leave_prompt(t);
	program_say(ECHOC, "%s: what lies on the way changes bytes, or the server is broken.", what);
	sum_up(t);
	t->status = STATUS_NO_SECRET;
}

static void step(struct talk *t, short revents)
{
	uint64_t before = t->exchange.echoed;
	enum exchange_result result = exchange_step(&t->exchange, revents);

	if (t->exchange.echoed > before) {
		show_echoed(t, clock_now_ns());
		reach_progress(t->reach);
	}
	switch (result) {
	case EXCHANGE_GOES_ON: break;
	case EXCHANGE_DONE: sum_up(t); break;
	case EXCHANGE_DROPPED: come_back(t); break;
	case EXCHANGE_DAMAGED: say_damaged(t); break;
	case EXCHANGE_FAILED: say_broken(t); break;
	}
}

static void turn(struct talk *t)
{
	if (!t->leave_ms)
		act_on_lines(t); /* there may be room now for what was typed before */
	bool reads = !t->leave_ms && has_room(t) && t->typed_len < sizeof(t->typed);
	struct pollfd fds[] = {
	    {.fd = reads ? STDIN_FILENO : -1, .events = POLLIN},
	    {.fd = t->exchange.channel.fd, .events = exchange_events(&t->exchange)},
	};

	prompt(t);
	if (fflush(stdout)) {
		program_say(ECHOC, "cannot write to standard output: %s: check where it goes to.", strerror(errno));
		fail(t);
		return;
	}
	uint64_t until_ms = exchange_pending(&t->exchange) ? 0 : t->leave_ms ? t->leave_ms : WAIT_FOR_EVER;
	if (poll(fds, array_size(fds), wait_poll_ms(until_ms)) < 0)
		return;
	if (fds[0].revents)
		read_typed(t);
	if (!t->leave_ms)
		act_on_lines(t);
	step(t, fds[1].revents);
	if (!t->over && t->leave_ms && wait_now_ms() >= t->leave_ms)
		sum_up(t);
}

static enum status run(struct talk *t)
{
	const struct reach *r = t->reach;

	printf("Connected to %s%s%s. What you type comes back; exit or Ctrl-D leaves, /help tells more.\n", r->where,
	       r->user ? " as " : "", r->shown_user);
	while (!t->over)
		turn(t);
	fflush(stdout);
	return t->status;
}

enum status talk_run(struct reach *reach)
{
	struct talk t = {.reach = reach, .prompts = isatty(STDOUT_FILENO)};
	struct channel channel;

	if (exchange_init(&t.exchange)) {
		program_say(ECHOC, "there is no memory for a window of 1 MiB: free some and try again.");
		return STATUS_LOST;
	}
	reach->show = show_reply;
	enum status status = reach_first(reach, &channel);
	if (status == STATUS_FINE && !reach->left) {
		exchange_attach(&t.exchange, &channel);
		status = run(&t);
	}
	exchange_fini(&t.exchange);
	return status;
}
