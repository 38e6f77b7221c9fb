#include "idle.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "clock.h"
#include "dial.h"
#include "explain.h"
#include "failure.h"
#include "idle_json.h"
#include "idle_report.h"
#include "idle_trial.h"
#include "program.h"
#include "reach_thread.h"
#include "round_trip.h"
#include "wait.h"
#include "words.h"

#define MS_NS   UINT64_C(1000000)
#define LOOK_NS (1000 * MS_NS) /* the trials are looked at, and the bar is moved, that often */
#define LATE_NS                                                                                                        \
	(100 * MS_NS) /* what is seen later than that, as after Ctrl-Z, may have happened at any time before           \
	               */

#define NO_THREAD_MS 1000 /* until the next try where no thread was to be had */

struct idle {
	struct reach *reach;
	struct idle_search search;
	struct idle_result result;
	struct idle_trial trials[IDLE_CONNECTIONS_MAX]; /* of this round, the longest first */
	size_t count;
	struct backoff backoff;
	uint64_t begin_ms, end_ms; /* of it all, at the latest */
	uint64_t make_ms;          /* when the next connection may be tried */
	uint64_t trouble_ms;       /* since when none could be made; 0: the last one could */
	struct reach_thread dial;  /* which makes the next */
	struct channel_room room;  /* of the trials' channels, for the thread has reach's; TLS only */
	uint64_t stepped_ns;       /* when the trials were looked at last */
	bool shows_bar, says;
	int signals;     /* a signalfd */
	sigset_t caught; /* what it stands for */
	char why[REACH_WHY_MAX];
};

/* ---- telling ---- */

static void clear_bar(const struct idle *l)
{
	if (l->shows_bar)
		fprintf(stderr, "\r%-78s\r", "");
}

static void show_bar(const struct idle *l)
{
	char line[IDLE_BAR_MAX];

	if (!l->shows_bar)
		return;
	idle_report_bar(&l->search, wait_now_ms() - l->begin_ms, l->end_ms - l->begin_ms, line);
	clear_bar(l);
	fputs(line, stderr);
}

static void tell(struct idle *l, const struct idle_finding *finding)
{
	idle_search_add(&l->search, finding);
	const struct idle_finding *added = &l->search.found[l->search.count - 1];
	if (l->reach->options->json_stream) {
		idle_json_trial(stdout, added, clock_wall_us());
		fflush(stdout);
	}
	if (l->says && !l->shows_bar)
		idle_report_trial(added);
}

/* It goes no further: the sentence is in why. */
static void give_up(struct idle *l, enum status status, const char *why)
{
	snprintf(l->why, sizeof(l->why), "%s", why);
	l->result.trouble = l->why;
	l->result.status = status;
	clear_bar(l);
	program_say(ECHOC, "%s.", l->why);
}

static bool is_over(const struct idle *l)
{
	return l->result.interrupted || l->result.trouble || idle_search_is_done(&l->search);
}

/* ---- making connections ---- */

static size_t standing(const struct idle *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->count; i++)
		n += idle_trial_stands(&l->trials[i]);
	return n;
}

/* The next trial that waits for a connection, or NULL. */
static struct idle_trial *find_waiting(struct idle *l)
{
	for (size_t i = 0; i < l->count; i++) {
		if (l->trials[i].state == IDLE_TRIAL_WAITS)
			return &l->trials[i];
	}
	return NULL;
}

static void say_again(const struct idle *l, uint64_t wait_ms)
{
	clear_bar(l);
	if (l->says)
		program_say(ECHOC, _("%s; trying again in %.1f s."), l->why, (double)wait_ms / 1000);
}

/* No more than stand now can be had. */
static void make_do(struct idle *l)
{
	size_t n = standing(l);

	l->result.connections = n;
	for (size_t i = 0; i < l->count; i++) {
		if (l->trials[i].state == IDLE_TRIAL_WAITS)
			idle_trial_end(&l->trials[i]);
	}
	l->trouble_ms = 0;
	clear_bar(l);
	if (l->says)
		program_say(ECHOC,
		            ngettext("%s; going on with %zu connection at once.",
		                     "%s; going on with %zu connections at once.", n),
		            l->why, n);
}

/* A connection could not be made, or ended at once, for what stands in why. */
static void be_refused(struct idle *l, enum status status, const char *why)
{
	uint64_t now = wait_now_ms(), retry = l->reach->options->retry_ms;

	snprintf(l->why, sizeof(l->why), "%s", why);
	if (l->trouble_ms == 0)
		l->trouble_ms = now;
	l->make_ms = now + backoff_next_ms(&l->backoff);
	if (l->make_ms < l->trouble_ms + retry)
		say_again(l, l->make_ms - now);
	else if (standing(l) > 0)
		make_do(l);
	else
		give_up(l, status, why);
}

/* Whether a connection is to be made, now or at make_ms. */
static bool is_to_make(struct idle *l)
{
	return !l->dial.under_way && find_waiting(l);
}

static void make_next(struct idle *l)
{
	uint64_t now = wait_now_ms();

	if (is_to_make(l) && now >= l->make_ms && reach_thread_begin(&l->dial, DIAL_CONNECT_MS))
		l->make_ms = now + NO_THREAD_MS;
}

/* The thread has ended with a connection, or without. */
static void take_made(struct idle *l)
{
	const struct trouble *trouble = &l->dial.trouble;
	struct channel *made = &l->dial.channel;
	struct idle_trial *t = find_waiting(l);
	char why[REACH_WHY_MAX];

	reach_thread_end(&l->dial);
	if (!l->dial.reached) {
		explain_whole(trouble, why, sizeof(why));
		if (trouble->kind == TROUBLE_FINAL)
			give_up(l, trouble->status, why);
		else
			be_refused(l, trouble->status, why);
	} else if (t) {
		made->room = made->tls ? &l->room : NULL;
		idle_trial_begin(t, made, clock_now_ns());
	} else {
		channel_close(made);
	}
}

/* ---- a round ---- */

static void begin_round(struct idle *l)
{
	uint64_t times[IDLE_CONNECTIONS_MAX];

	l->end_ms = wait_now_ms() + idle_search_rest_ms(&l->search, l->result.connections);
	l->count = idle_search_next(&l->search, l->result.connections, times);
	/* The longest has the most time for the others to be made. */
	for (size_t i = 0; i < l->count; i++)
		idle_trial_init(&l->trials[i], times[l->count - 1 - i]);
}

static void end_round(struct idle *l)
{
	for (size_t i = 0; i < l->count; i++)
		idle_trial_end(&l->trials[i]);
	l->count = 0;
}

static void be_damaged(struct idle *l, enum status status)
{
	char why[REACH_WHY_MAX];

	snprintf(why, sizeof(why),
	         _("%s sent other bytes than it was sent: what lies on the way changes them, or it is no echo server"),
	         l->reach->where);
	give_up(l, status, why);
}

static void be_lost(struct idle *l)
{
	char why[REACH_WHY_MAX];

	snprintf(why, sizeof(why), _("%s ends new connections before a byte has come back: see the server's log"),
	         l->reach->where);
	be_refused(l, STATUS_UNREACHABLE, why);
}

static void step(struct idle *l, struct idle_trial *t, uint64_t now_ns, bool on_time)
{
	enum idle_trial_state before = t->state;
	struct idle_finding finding;

	switch (idle_trial_step(t, now_ns, on_time, &finding)) {
	case IDLE_TRIAL_GOES_ON: break;
	case IDLE_TRIAL_FOUND: tell(l, &finding); break;
	case IDLE_TRIAL_LOST: be_lost(l); break;
	case IDLE_TRIAL_DAMAGED: be_damaged(l, STATUS_LOST); break;
	case IDLE_TRIAL_BROKEN: be_damaged(l, STATUS_NO_SECRET); break;
	}
	if (before == IDLE_TRIAL_BEGINS && t->state == IDLE_TRIAL_IDLES) {
		l->backoff = (struct backoff){0};
		l->trouble_ms = 0;
	}
}

static void step_all(struct idle *l)
{
	uint64_t now = clock_now_ns();
	bool on_time = now - l->stepped_ns < LOOK_NS + LATE_NS;

	for (size_t i = 0; i < l->count && !l->result.trouble; i++)
		step(l, &l->trials[i], now, on_time);
	l->stepped_ns = now;
}

/* Whether a connection is worth waiting for. The others stay as they are until then, and may tell something. */
static bool is_under_way(const struct idle *l)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct idle_trial *t = &l->trials[i];
		if (t->state != IDLE_TRIAL_OVER && idle_search_wants(&l->search, t->idle_ms))
			return true;
	}
	return false;
}

static void take_signal(struct idle *l)
{
	struct signalfd_siginfo info;

	(void)!read(l->signals, &info, sizeof(info));
	l->result.interrupted = true;
	l->result.status = STATUS_LOST;
	pthread_sigmask(SIG_UNBLOCK, &l->caught, NULL); /* a second one ends the process */
}

/* When there is something to do without anything happening. */
static uint64_t due_ms(struct idle *l)
{
	uint64_t due = wait_now_ms() + LOOK_NS / MS_NS;

	for (size_t i = 0; i < l->count; i++) {
		if (!idle_trial_stands(&l->trials[i]))
			continue;
		uint64_t ms = (idle_trial_due_ns(&l->trials[i]) + MS_NS - 1) / MS_NS;
		due = ms < due ? ms : due;
	}
	if (is_to_make(l) && l->make_ms < due)
		due = l->make_ms;
	return due;
}

static void wait_event(struct idle *l)
{
	struct pollfd p[IDLE_CONNECTIONS_MAX + 2], *signal = &p[l->count], *made = &p[l->count + 1];
	bool pending = false;

	for (size_t i = 0; i < l->count; i++) {
		const struct channel *c = &l->trials[i].channel;
		p[i] = (struct pollfd){.fd = c->fd, .events = POLLIN};
		pending |= c->fd >= 0 && channel_pending(c);
	}
	*signal = (struct pollfd){.fd = l->signals, .events = POLLIN};
	*made = (struct pollfd){.fd = l->dial.ended, .events = POLLIN};
	if (poll(p, (nfds_t)l->count + 2, pending ? 0 : wait_poll_ms(due_ms(l))) <= 0)
		return;
	if (signal->revents)
		take_signal(l);
	if (made->revents)
		take_made(l);
}

static void run_round(struct idle *l)
{
	begin_round(l);
	while (!is_over(l) && is_under_way(l)) {
		make_next(l);
		show_bar(l);
		wait_event(l);
		step_all(l);
	}
	end_round(l);
}

/* ---- all of it ---- */

static enum status print(struct idle *l)
{
	const struct options *o = l->reach->options;
	bool json = o->json || o->json_stream;

	l->result.took_ms = wait_now_ms() - l->begin_ms;
	if (json)
		idle_json_result(stdout, &l->result);
	if (!json || !o->quiet)
		idle_report_result(json ? stderr : stdout, &l->result);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return l->result.status;
	program_say(ECHOC, _("cannot write the result: %s."), words_error(errno));
	return STATUS_LOST;
}

static enum status search(struct idle *l)
{
	const struct idle_options *o = &l->reach->options->idle;

	idle_search_init(&l->search, o->min_ms, o->max_ms, o->resolution_ms);
	l->begin_ms = wait_now_ms();
	l->stepped_ns = clock_now_ns();
	l->result.started_us = clock_wall_us();
	l->result.estimate_ms = idle_search_rest_ms(&l->search, o->connections);
	if (l->says)
		idle_report_start(&l->result);
	if (l->reach->options->json_stream) {
		idle_json_start(stdout, &l->result);
		fflush(stdout);
	}
	pthread_sigmask(SIG_BLOCK, &l->caught, NULL);
	while (!is_over(l))
		run_round(l);
	pthread_sigmask(SIG_UNBLOCK, &l->caught, NULL);
	clear_bar(l);
	return print(l);
}

/* Tries address, login and echo: what is wrong is said once, and a new account is there before the others ask for it.
 */
static enum status try_first(struct reach *r)
{
	struct round_trip trip;
	struct channel channel;
	enum status status = reach_first(r, &channel);

	if (status == STATUS_FINE) {
		status = round_trip_make(r, &channel, &trip);
		if (status != STATUS_FINE)
			program_say(ECHOC, "%s.", r->why);
	}
	if (status != STATUS_FINE)
		reach_failed_json(r, status);
	return status;
}

static enum status run(struct idle *l)
{
	struct reach *r = l->reach;
	const struct options *o = r->options;

	r->for_idling = true;
	enum status status = try_first(r);
	if (status != STATUS_FINE)
		return status;
	r->may_ask = false; /* a thread makes the others */
	l->says = !o->quiet;
	l->shows_bar = l->says && !o->plain && isatty(STDERR_FILENO);
	l->result = (struct idle_result){.options = &o->idle,
	                                 .search = &l->search,
	                                 .where = r->where,
	                                 .keepalive_off = r->keepalive_off,
	                                 .server_limit_s = r->keepalive_off ? r->idle_limit_s : 0,
	                                 .connections = o->idle.connections};
	sigemptyset(&l->caught);
	sigaddset(&l->caught, SIGINT);
	sigaddset(&l->caught, SIGTERM);
	l->signals = signalfd(-1, &l->caught, SFD_CLOEXEC | SFD_NONBLOCK);
	status = search(l); /* without a signalfd a signal only waits for the end */
	if (l->signals >= 0)
		close(l->signals);
	if (l->dial.under_way)
		reach_thread_leave(&l->dial, (int)status);
	return status;
}

/* What the search needs beside the connection that was tried. */
static enum status prepare(struct idle *l)
{
	int err = reach_thread_init(&l->dial, l->reach);

	if (!err && l->reach->address.tls)
		err = channel_room_init(&l->room);
	if (!err)
		return STATUS_FINE;
	snprintf(l->why, sizeof(l->why), _("cannot begin: %s."), words_error(-err));
	failure_say(l->reach->options, STATUS_LOST, l->why);
	return STATUS_LOST;
}

enum status idle_run(struct reach *r)
{
	struct idle *l = calloc(1, sizeof(*l));

	if (!l) {
		failure_say(r->options, STATUS_LOST,
		            _("there is no memory for the measurement: free some and try again."));
		return STATUS_LOST;
	}
	l->reach = r;
	enum status status = prepare(l);
	if (status == STATUS_FINE)
		status = run(l);
	channel_room_fini(&l->room);
	reach_thread_fini(&l->dial);
	free(l);
	return status;
}
