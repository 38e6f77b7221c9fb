#include "ping.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "clock.h"
#include "failure.h"
#include "ping_measures.h"
#include "ping_path.h"
#include "ping_schedule.h"
#include "ping_show.h"
#include "program.h"
#include "words.h"

#define MS_NS       UINT64_C(1000000)
#define SECOND_NS   (1000 * MS_NS)
#define HELD_NS     SECOND_NS /* later than this by our own fault, and probes are left out rather than sent at once */
#define PATIENCE_NS (10 * SECOND_NS)
#define MUTE_NS     (10 * SECOND_NS) /* without one byte back ever, as long as a greeting is waited for */

struct ping {
	struct reach *reach;
	const struct ping_options *options;
	struct ping_schedule schedule;
	struct ping_path path;
	struct ping_measures measures;
	struct ping_show show;
	int signals;            /* a signalfd */
	sigset_t caught;        /* what it stands for */
	bool has_keys;          /* standard input is a terminal that has not ended */
	struct ping_probe owed; /* the last one that was due while there was no connection; seq 0: none */
	uint64_t end_ns;        /* until when answers are awaited after the last probe; 0: it was not sent yet */
	bool prolonged;         /* which was moved once */
	bool over, interrupted;
	enum status status; /* where it is ended early, and why: a sentence without its full stop */
	char why[REACH_WHY_MAX];
};

static void tell(void *who, const struct ping_event *event)
{
	struct ping *p = who;

	ping_measures_take(&p->measures, event);
	ping_show_event(&p->show, event);
}

static void read_result(const struct ping *p, uint64_t now_ns, struct ping_result *r)
{
	*r = (struct ping_result){.measures = &p->measures,
	                          .kernel = p->path.kernel,
	                          .now_ns = now_ns,
	                          .outage_ns = p->path.outage_ns,
	                          .stall_ns = p->path.stall_ns,
	                          .interrupted = p->interrupted};
	if (p->path.state != PING_DOWN)
		kernel_view_read(&r->kernel, p->path.exchange.channel.fd);
	ping_result_work_out(r);
}

/* ---- sending ---- */

static void leave_out_owed(struct ping *p)
{
	if (p->owed.seq)
		ping_path_leave_out(&p->path, &p->owed);
	p->owed.seq = 0;
}

static void send_next(struct ping *p, uint64_t now_ns, uint64_t late_own_ns)
{
	uint64_t seq = ping_schedule_take(&p->schedule);

	if (ping_path_can_send(&p->path)) {
		ping_path_send(&p->path, seq, late_own_ns);
		return;
	}
	leave_out_owed(p);
	p->owed = (struct ping_probe){.seq = seq, .sent_ns = now_ns, .sent_us = clock_wall_us()};
}

/* A new connection wants a probe at once: the one that was due last without one, or the next one early. */
static void pay_owed(struct ping *p, uint64_t now_ns)
{
	if (p->path.wants_probe && p->owed.seq) {
		ping_path_send(&p->path, p->owed.seq, 0);
		p->owed.seq = 0;
	} else if (p->path.wants_probe && !ping_schedule_is_over(&p->schedule, now_ns)) {
		send_next(p, now_ns, 0);
	} else if (ping_path_can_send(&p->path)) {
		leave_out_owed(p);
	}
}

static void note_held_up(struct ping *p, uint64_t now_ns, uint64_t late_ns)
{
	uint64_t skipped = ping_schedule_skip(&p->schedule, now_ns);

	tell(p, &(struct ping_event){.kind = PING_HELD_UP, .at_ns = now_ns, .length_ns = late_ns, .count = skipped});
}

static void send_due(struct ping *p)
{
	for (;;) {
		uint64_t now_ns = clock_now_ns(), due_ns = ping_schedule_due_ns(&p->schedule);
		if (now_ns < due_ns || ping_schedule_is_over(&p->schedule, now_ns))
			return;
		if (now_ns - due_ns > HELD_NS) {
			note_held_up(p, now_ns, now_ns - due_ns);
			due_ns = ping_schedule_due_ns(&p->schedule);
		}
		if (!ping_schedule_is_over(&p->schedule, now_ns))
			send_next(p, now_ns, now_ns - due_ns);
	}
}

/* ---- the end ---- */

static void end_early(struct ping *p, enum status status, const char *why)
{
	p->over = true;
	p->status = status;
	snprintf(p->why, sizeof(p->why), "%s", why);
}

static bool is_mute(const struct ping *p)
{
	return p->measures.sent > 0 && p->path.exchange.echoed == 0 && p->measures.damages == 0 && !p->path.over;
}

static void end_mute(struct ping *p, uint64_t now_ns)
{
	char why[REACH_WHY_MAX];

	snprintf(why, sizeof(why),
	         _("%s took the connection and echoed nothing for %.1f s: check that it is an echo server"),
	         p->reach->where, (double)(now_ns - p->measures.start_ns) / 1e9);
	end_early(p, STATUS_NOT_PROTOCOL, why);
}

/* How long an answer to the last probe is awaited: until it is late, and twice as long as any took, within bounds. */
static uint64_t patience_ns(const struct ping *p)
{
	uint64_t late_ns = p->options->late_ms * MS_NS, slow_ns = 2 * p->measures.rtt.max_ns;

	slow_ns = slow_ns < PATIENCE_NS ? slow_ns : PATIENCE_NS;
	return slow_ns > late_ns ? slow_ns : late_ns;
}

/* After the last probe answers are awaited, and once more on a new connection. */
static void await_rest(struct ping *p, uint64_t now_ns)
{
	if (!ping_schedule_is_over(&p->schedule, now_ns))
		return;
	if (p->end_ns == 0)
		p->end_ns = now_ns + patience_ns(p);
	if (now_ns >= p->end_ns && p->path.state == PING_ON_TRIAL && !p->prolonged) {
		p->end_ns = p->path.progress_ns + patience_ns(p);
		p->prolonged = true;
	}
	if (p->path.probes_count == 0 || now_ns >= p->end_ns)
		p->over = true;
}

static void look_for_end(struct ping *p, uint64_t now_ns)
{
	if (p->path.over)
		end_early(p, p->path.status, p->path.why);
	else if (is_mute(p) && now_ns >= p->measures.start_ns + MUTE_NS)
		end_mute(p, now_ns);
	else
		await_rest(p, now_ns);
	if (p->show.error)
		p->over = true;
}

/* ---- who else wants something ---- */

static void show_so_far(struct ping *p)
{
	struct ping_result r;

	read_result(p, clock_now_ns(), &r);
	ping_show_result(&p->show, &r);
}

static void take_signal(struct ping *p)
{
	struct signalfd_siginfo info;

	if (read(p->signals, &info, sizeof(info)) != sizeof(info))
		return;
	switch ((int)info.ssi_signo) {
	case SIGQUIT: show_so_far(p); break;
	case SIGWINCH: ping_screen_resize(&p->show.screen); break;
	case SIGCONT: ping_screen_forget(&p->show.screen); break;
	default: p->over = p->interrupted = true; break;
	}
	p->show.changed = true;
}

static void take_keys(struct ping *p)
{
	char typed[256];
	ssize_t n = read(STDIN_FILENO, typed, sizeof(typed));
	bool entered = false;

	p->has_keys = n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
	for (ssize_t i = 0; i < n; i++) {
		if (typed[i] != '\n')
			continue;
		ping_screen_enter(&p->show.screen);
		entered = true;
	}
	if (entered)
		show_so_far(p);
}

/* A job in the background is stopped when it reads from its terminal. */
static bool may_read_keys(const struct ping *p)
{
	return p->has_keys && tcgetpgrp(STDIN_FILENO) == getpgrp();
}

/* ---- the loop ---- */

static uint64_t in_the_air_ns(const struct ping *p)
{
	return p->path.probes_count > 0 ? p->path.probes[p->path.probes_first].sent_ns : 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t due_ns(const struct ping *p, uint64_t now_ns)
{
	uint64_t ns = least(ping_path_due_ns(&p->path), ping_show_due_ns(&p->show, in_the_air_ns(p)));

	if (ping_path_pending(&p->path) || (p->end_ns == 0 && ping_schedule_is_over(&p->schedule, now_ns)))
		return now_ns;
	if (is_mute(p))
		ns = least(ns, p->measures.start_ns + MUTE_NS);
	return least(ns, p->end_ns ? p->end_ns : ping_schedule_due_ns(&p->schedule));
}

static void wait_and_act(struct ping *p)
{
	struct pollfd fds[] = {{.fd = ping_path_fd(&p->path), .events = ping_path_events(&p->path)},
	                       {.fd = p->signals, .events = POLLIN},
	                       {.fd = may_read_keys(p) ? STDIN_FILENO : -1, .events = POLLIN}};
	uint64_t now_ns = clock_now_ns(), due = due_ns(p, now_ns), ns = due > now_ns ? due - now_ns : 0;
	struct timespec limit = {.tv_sec = (time_t)(ns / SECOND_NS), .tv_nsec = (long)(ns % SECOND_NS)};

	if (ppoll(fds, array_size(fds), due == UINT64_MAX ? NULL : &limit, NULL) < 0)
		return; /* EINTR, or no memory for a moment */
	if (fds[1].revents)
		take_signal(p); /* first: after SIGCONT nothing is where it was on the terminal */
	if (fds[0].revents || ping_path_pending(&p->path))
		ping_path_step(&p->path, fds[0].revents);
	if (fds[2].revents)
		take_keys(p);
}

static void draw_if_due(struct ping *p, uint64_t now_ns)
{
	struct ping_result r;

	if (now_ns < ping_show_due_ns(&p->show, in_the_air_ns(p)))
		return;
	take_signal(p); /* SIGCONT, above all: the terminal was somebody else's meanwhile */
	read_result(p, now_ns, &r);
	ping_show_draw(&p->show, &r);
}

static void probe(struct ping *p)
{
	while (!p->over) {
		send_due(p);
		wait_and_act(p);
		uint64_t now_ns = clock_now_ns();
		look_for_end(p, now_ns);
		ping_path_tick(&p->path, now_ns);
		pay_owed(p, now_ns);
		draw_if_due(p, now_ns);
	}
}

/* What it has all come to. Signals end the process from here on. */
static enum status conclude(struct ping *p)
{
	struct ping_result r;

	leave_out_owed(p);
	ping_path_give_up(&p->path, !p->interrupted);
	uint64_t now_ns = clock_now_ns();
	if (!p->status && is_mute(p) && now_ns - p->measures.start_ns >= p->options->late_ms * MS_NS)
		end_mute(p, now_ns);
	read_result(p, now_ns, &r);
	r.final = true;
	r.why = *p->why ? p->why : NULL;
	if (p->status)
		r.status = p->status;
	ping_show_draw(&p->show, &r);
	ping_show_close(&p->show);
	pthread_sigmask(SIG_UNBLOCK, &p->caught, NULL);
	ping_show_result(&p->show, &r);
	if (p->show.error) {
		program_say(ECHOC, _("cannot write to standard output: %s: check where it goes to."),
		            words_error(-p->show.error));
		return STATUS_LOST;
	}
	if (r.why)
		program_say(ECHOC, "%s.", r.why);
	return r.status;
}

static int open_signals(struct ping *p)
{
	static const int caught[] = {SIGINT, SIGTERM, SIGQUIT, SIGWINCH, SIGCONT};

	sigemptyset(&p->caught);
	for (size_t i = 0; i < array_size(caught); i++)
		sigaddset(&p->caught, caught[i]);
	p->signals = signalfd(-1, &p->caught, SFD_CLOEXEC | SFD_NONBLOCK);
	if (p->signals < 0)
		return -errno;
	pthread_sigmask(SIG_BLOCK, &p->caught, NULL);
	return 0;
}

static void begin(struct ping *p)
{
	struct reach *r = p->reach;
	struct ping_measures *m = &p->measures;

	ping_measures_init(m);
	m->where = r->where;
	m->options = p->options;
	m->phases = r->phases;
	memcpy(m->seen_as, r->seen_as, sizeof(m->seen_as));
	m->started_us = clock_wall_us();
	ping_show_open(&p->show, r->options, m);
	m->start_ns = clock_now_ns();
	ping_schedule_init(&p->schedule, p->options, m->start_ns);
	p->has_keys = isatty(STDIN_FILENO);
	r->may_ask = false; /* from now on there is a picture, and a clock that runs */
}

static enum status run(struct ping *p)
{
	const struct ping_listener listener = {.tell = tell, .who = p};
	struct channel channel;
	enum status status = reach_first(p->reach, &channel);

	if (status != STATUS_FINE) {
		reach_failed_json(p->reach, status);
		return status;
	}
	int err = open_signals(p);
	if (!err)
		err = ping_path_open(&p->path, p->reach, &channel, &listener);
	if (err) {
		channel_close(&channel);
		snprintf(p->why, sizeof(p->why), _("cannot begin: %s."), words_error(-err));
		failure_say(p->reach->options, STATUS_LOST, p->why);
		return STATUS_LOST;
	}
	begin(p);
	probe(p);
	status = conclude(p);
	if (p->path.dial.under_way)
		reach_thread_leave(&p->path.dial, (int)status);
	ping_path_close(&p->path);
	close(p->signals);
	return status;
}

enum status ping_run(struct reach *r)
{
	struct ping *p = calloc(1, sizeof(*p));

	if (!p) {
		failure_say(r->options, STATUS_LOST,
		            _("there is no memory for the measurement: free some and try again."));
		return STATUS_LOST;
	}
	p->reach = r;
	p->options = &r->options->ping;
	enum status status = run(p);
	free(p);
	return status;
}
