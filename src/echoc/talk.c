#include "talk.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "colour.h"
#include "comeback.h"
#include "edit.h"
#include "exchange.h"
#include "history.h"
#include "input.h"
#include "lines.h"
#include "plain.h"
#include "program.h"
#include "reply_words.h"
#include "talk_stats.h"
#include "text.h"
#include "typed.h"
#include "wait.h"
#include "words.h"

#define LEAVE_MS 2000 /* how long nothing may come back of what is on its way when the person leaves */

struct talk {
	struct reach *reach;
	struct input *input;
	struct exchange exchange;
	struct comeback comeback; /* under way where there is no connection */
	struct lines lines;
	struct talk_stats stats;
	bool over;
	enum status status;
	uint64_t leave_ms; /* until when to wait for the rest; 0: not leaving */
};

static void fail(struct talk *t)
{
	t->over = true;
	t->status = STATUS_LOST;
}

/* The one line at the end. */
static void sum_up(struct talk *t)
{
	unsigned long long sent = t->exchange.filled, back = t->exchange.echoed;

	input_hide(t->input);
	printf(ngettext("Sent %llu byte, %llu came back.\n", "Sent %llu bytes, %llu came back.\n", sent), sent, back);
	if (back < sent)
		fail(t);
	t->over = true;
}

static void attach(struct talk *t, const struct channel *channel)
{
	exchange_attach(&t->exchange, channel);
	t->stats.since_us = clock_wall_us();
}

/* ---- ends of the connection ---- */

/* Begins to make the connection anew; what: how the last one ended. */
static void begin_comeback(struct talk *t, const char *what)
{
	exchange_detach(&t->exchange);
	t->stats.since_us = clock_wall_us();
	input_hide(t->input);
	comeback_begin(&t->comeback, what, exchange_missing(&t->exchange));
}

/* Logs in with the terminal lent to whoever asks for the password on it. */
static enum comeback_result ask(struct talk *t, struct channel *channel)
{
	input_lend(t->input, true);
	enum comeback_result result = comeback_ask(&t->comeback, channel);
	input_lend(t->input, false);
	return result;
}

static void step_comeback(struct talk *t, short revents)
{
	struct channel channel;

	if (revents)
		input_hide(t->input);
	enum comeback_result result = comeback_step(&t->comeback, revents, &channel);
	if (result == COMEBACK_ASKS)
		result = ask(t, &channel);
	switch (result) {
	case COMEBACK_GOES_ON:
	case COMEBACK_ASKS: break;
	case COMEBACK_REACHED:
		attach(t, &channel);
		t->stats.reconnects++;
		break;
	case COMEBACK_FAILED:
		t->over = true;
		t->status = t->comeback.status;
		break;
	}
}

static void take_drop(struct talk *t)
{
	char what[EXCHANGE_TEXT_MAX];

	exchange_describe_end(&t->exchange, t->reach->where, what, sizeof(what));
	if (t->leave_ms) {
		sum_up(t);
	} else if (t->reach->address.raw && !t->reach->options->reconnect) {
		input_hide(t->input);
		program_say(ECHOC, _("%s: connect again, or let --reconnect do it."), what);
		sum_up(t);
	} else {
		begin_comeback(t, what);
	}
}

/* A person wants another connection, or the next at once. */
static void reconnect(struct talk *t)
{
	char what[EXCHANGE_TEXT_MAX];

	if (t->comeback.under_way) {
		comeback_hurry(&t->comeback);
		return;
	}
	snprintf(what, sizeof(what), _("left %s"), t->reach->where);
	reach_progress(t->reach); /* nothing was wrong: no wait from before */
	begin_comeback(t, what);
}

static void say_damaged(struct talk *t)
{
	char text[EXCHANGE_TEXT_MAX];

	input_hide(t->input);
	exchange_describe_damage(&t->exchange, text, sizeof(text));
	program_say(ECHOC, _("%s damaged the data: %s: %s."), t->reach->where, text, exchange_advise(&t->exchange));
	fail(t);
}

/* Somebody or something has changed what came, and TLS has seen it: that is no drop. */
static void say_broken(struct talk *t)
{
	char what[EXCHANGE_TEXT_MAX];

	exchange_describe_end(&t->exchange, t->reach->where, what, sizeof(what));
	input_hide(t->input);
	program_say(ECHOC, _("%s: what lies on the way changes bytes, or the server is broken."), what);
	sum_up(t);
	t->status = STATUS_NO_SECRET;
}

static void give_time(struct talk *t)
{
	t->leave_ms = wait_now_ms() + LEAVE_MS;
}

/* ---- a turn ---- */

static void show_back(struct talk *t)
{
	uint64_t now_ns = clock_now_ns();

	reach_progress(t->reach);
	if (!lines_are_back(&t->lines))
		return;
	input_hide(t->input);
	while (lines_are_back(&t->lines))
		lines_show(&t->lines, now_ns);
}

static void step(struct talk *t, short revents)
{
	uint64_t before = t->exchange.echoed;

	/* What is sent and received now is shown from within. */
	if (t->exchange.channel.trace &&
	    (revents || exchange_pending(&t->exchange) || (exchange_events(&t->exchange) & POLLOUT)))
		input_hide(t->input);
	enum exchange_result result = exchange_step(&t->exchange, revents);
	if (t->exchange.echoed > before)
		show_back(t);
	if (t->exchange.echoed > before && t->leave_ms)
		give_time(t);
	switch (result) {
	case EXCHANGE_GOES_ON: break;
	case EXCHANGE_DONE: sum_up(t); break;
	case EXCHANGE_DROPPED: take_drop(t); break;
	case EXCHANGE_DAMAGED: say_damaged(t); break;
	case EXCHANGE_FAILED: say_broken(t); break;
	}
}

/* While there is no connection everything is read: what there is no room for is refused, and the rest works. */
static bool reads(const struct talk *t)
{
	return !t->leave_ms && (t->comeback.under_way || lines_have_room(&t->lines));
}

static uint64_t due_ms(const struct talk *t)
{
	if (t->comeback.under_way)
		return comeback_due_ms(&t->comeback);
	if (exchange_pending(&t->exchange))
		return 0;
	return t->leave_ms ? t->leave_ms : WAIT_FOR_EVER;
}

static struct pollfd polled(const struct talk *t)
{
	if (t->comeback.under_way)
		return (struct pollfd){.fd = comeback_fd(&t->comeback), .events = POLLIN};
	return (struct pollfd){.fd = t->exchange.channel.fd, .events = exchange_events(&t->exchange)};
}

/* Waits for the terminal and the connection, and does what is to be done. Returns whether the talk goes on. */
static bool turn(void *context)
{
	struct talk *t = context;

	if (t->over)
		return false;
	struct pollfd fds[] = {{.fd = reads(t) ? STDIN_FILENO : -1, .events = POLLIN}, polled(t)};

	if (!t->leave_ms)
		input_show(t->input, t->lines.count == 0 || t->comeback.under_way);
	if (fflush(stdout)) {
		program_say(ECHOC, _("cannot write to standard output: %s: check where it goes to."),
		            words_error(errno));
		fail(t);
		return false;
	}
	int ms = wait_poll_ms(due_ms(t));
	struct timespec limit = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
	if (ppoll(fds, array_size(fds), ms < 0 ? NULL : &limit, input_mask(t->input)) < 0)
		return true;
	if (fds[0].revents)
		input_read(t->input);
	if (t->comeback.under_way)
		step_comeback(t, fds[1].revents);
	else
		step(t, fds[1].revents);
	if (!t->over && t->leave_ms && wait_now_ms() >= t->leave_ms)
		sum_up(t);
	return !t->over;
}

/* ---- what is typed ---- */

static void leave(struct talk *t)
{
	if (t->comeback.under_way) {
		sum_up(t);
		return;
	}
	exchange_end(&t->exchange);
	give_time(t);
}

static void say_no_room(struct talk *t, size_t len)
{
	input_hide(t->input);
	program_say(ECHOC,
	            ngettext("%zu byte is not sent: no more is kept until the connection is back.",
	                     "%zu bytes are not sent: no more is kept until the connection is back.", len),
	            len);
}

/* Sends text in as many pieces as it takes, each when there is room for it, or the connection is back. */
static void send_text(struct talk *t, const char *text, size_t len)
{
	while (len > 0 && !t->over) {
		if (!lines_have_room(&t->lines) && t->comeback.under_way) {
			say_no_room(t, len);
			return;
		}
		if (!lines_have_room(&t->lines)) {
			turn(t);
			continue;
		}
		size_t n = len < LINES_BYTES_MAX ? len : LINES_BYTES_MAX;
		lines_send(&t->lines, text, n);
		text += n;
		len -= n;
	}
}

static void take_pasted(void *context, const char *text, size_t len)
{
	struct talk *t = context;

	if (t->over)
		return;
	input_hide(t->input);
	if (!t->reach->options->quiet)
		program_say(ECHOC,
		            ngettext("%zu byte was pasted and is sent as it is.",
		                     "%zu bytes were pasted and are sent as they are.", len),
		            len);
	send_text(t, text, len);
}

static void switch_trace(struct talk *t)
{
	bool on = !t->comeback.traced;

	t->comeback.traced = on;
	t->exchange.channel.trace = on ? stderr : NULL;
	if (on)
		program_say(ECHOC, _("what is sent (C:) and comes (S:) is shown from now on: /trace again ends that."));
	else
		program_say(ECHOC, _("what is sent and comes is shown no more."));
}

static void say_unknown(const char *line, size_t len)
{
	char shown[64];

	text_escape_utf8(shown, sizeof(shown), line, len);
	program_say(ECHOC, _("there is no command %s: /help lists them, and /say %s sends it."), shown, shown);
}

/* A line of len bytes, with its LF. */
static void act_on(struct talk *t, const char *line, size_t len)
{
	size_t from;

	if (len == 1 && t->comeback.under_way) {
		reconnect(t);
		return;
	}
	if (history_may_keep(line, len - 1, &t->reach->secret))
		input_remember(t->input, line, len - 1);
	switch (typed_read(line, len - 1, &from)) {
	case TYPED_TEXT: send_text(t, line + from, len - from); break;
	case TYPED_LEAVE: leave(t); break;
	case TYPED_HELP: fputs(typed_help(), stdout); break;
	case TYPED_STATS: talk_stats_show(&t->stats, t->reach, &t->exchange, &t->lines.round_trips); break;
	case TYPED_RECONNECT: reconnect(t); break;
	case TYPED_TRACE: switch_trace(t); break;
	case TYPED_UNKNOWN: say_unknown(line, len - 1); break;
	}
}

static void take_input(struct talk *t)
{
	const char *text;
	size_t len;

	switch (input_next(t->input, &text, &len)) {
	case INPUT_LINE: act_on(t, text, len); break;
	case INPUT_TEXT: send_text(t, text, len); break;
	case INPUT_END: leave(t); break;
	case INPUT_STOPPED: break;
	}
}

static enum status run(struct talk *t)
{
	while (!t->over) {
		if (reads(t))
			take_input(t);
		else
			turn(t);
	}
	fflush(stdout);
	return t->status;
}

/* ---- the beginning ---- */

static void greet(const struct reach *r)
{
	if (r->user)
		printf(_("Connected to %s as %s. What you type comes back; exit or Ctrl-D leaves, /help tells more.\n"),
		       r->where, r->shown_user);
	else
		printf(_("Connected to %s. What you type comes back; exit or Ctrl-D leaves, /help tells more.\n"),
		       r->where);
}

/* Lines are edited where the terminal can do it, and then it can do colour, too. */
static struct input *open_input(struct talk *t)
{
	struct input_owner owner = {.context = t, .wait = turn, .pasted = take_pasted};
	bool prompts = isatty(STDOUT_FILENO);
	struct input *input = prompts ? edit_open(&owner) : NULL;

	t->lines.colour = input && colour_is_wanted();
	return input ? input : plain_open(&owner, prompts);
}

static enum status say_no_memory(void)
{
	program_say(ECHOC, _("there is no memory for a window of 1 MiB: free some and try again."));
	return STATUS_LOST;
}

static enum status talk_on(struct talk *t, const struct channel *channel)
{
	greet(t->reach);
	attach(t, channel);
	int err = comeback_init(&t->comeback, t->reach);
	if (err) {
		program_say(ECHOC, _("cannot begin: %s."), words_error(-err));
		return STATUS_LOST;
	}
	t->input = open_input(t);
	enum status status = t->input ? run(t) : say_no_memory();
	input_close(t->input);
	if (comeback_is_trying(&t->comeback))
		reach_thread_leave(&t->comeback.dial, (int)status);
	comeback_fini(&t->comeback);
	return status;
}

enum status talk_run(struct reach *reach)
{
	struct talk *t = calloc(1, sizeof(*t));
	struct channel channel;

	if (!t || exchange_init(&t->exchange)) {
		free(t);
		return say_no_memory();
	}
	t->reach = reach;
	t->exchange.chunk = (size_t)reach->options->chunk;
	lines_init(&t->lines, &t->exchange);
	reach->show = reply_words_print;
	enum status status = reach_first(reach, &channel);
	if (status == STATUS_FINE && !reach->left)
		status = talk_on(t, &channel);
	exchange_fini(&t->exchange);
	free(t);
	return status;
}
