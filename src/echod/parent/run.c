#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"
#include "clock.h"
#include "family.h"
#include "file.h"
#include "program.h"
#include "ready.h"
#include "status.h"
#include "text.h"

#define NAME "echod"

#define FAILED       1
#define NOT_BINDABLE 3

/* Beyond the drain's own time, for the front to say that it is done; and for the keeper to finish what it does. */
#define FRONT_PATIENCE_MS  2000
#define KEEPER_PATIENCE_MS 7000 /* a store that another process keeps locked is waited for 5 s */
#define FORCED_PATIENCE_MS 200
#define LAST_WORDS         8

static void begin_ending(struct run *run);

/* Says a failure to a person, and to the log where that is another place. Sets the exit status. */
static void PRINTF_LIKE(3, 4) say_failure(struct run *run, int status, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	program_say(NAME, "%s", text);
	if (run->options.log)
		log_event(run->log, LOG_ERROR, "failed", "%s", text);
	run->status = status;
}

static const char *log_name(const struct run *run)
{
	return run->options.log ? run->options.log : "standard error";
}

static int open_log(struct run *run)
{
	run->log_fd = run->options.log ? file_open_log(run->options.log) : STDERR_FILENO;
	int err =
	    run->log_fd < 0 ? run->log_fd : log_open(&run->log, STDERR_FILENO, run->options.log_level, &run->log_lost);
	if (!err && run->options.log) { /* the log has a descriptor of its own; ours is for the children */
		int own = fcntl(run->log_fd, F_DUPFD_CLOEXEC, 0);
		if (own >= 0)
			log_reopen(run->log, own);
		else
			err = -errno;
	}
	if (!err)
		return 0;
	program_say(NAME, "cannot open the log %s: %s; give another file with --log.", log_name(run), strerror(-err));
	return run->status = FAILED;
}

/* All or nothing: where the file cannot be opened anew, the old one is written on. */
static void reopen_log(struct run *run)
{
	if (!run->options.log)
		return;
	int fd = file_open_log(run->options.log);
	int own = fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0) {
		if (fd >= 0)
			close(fd);
		log_event(run->log, LOG_ERROR, "log_reopen", "cannot reopen %s: %s; the old file is written on",
		          run->options.log, strerror(-own));
		return;
	}
	close(run->log_fd);
	run->log_fd = fd;
	log_reopen(run->log, own);
	family_send_log(run);
	log_event(run->log, LOG_INFO, "log_reopen", "reopened %s", run->options.log);
}

static void raise_file_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

static int open_listeners(struct run *run)
{
	char why[512];

	for (; run->listeners < run->options.listeners; run->listeners++) {
		struct listener *l = &run->listener[run->listeners];
		if (listen_open(l, &run->options.listen[run->listeners], &run->options, run->log, why)) {
			say_failure(run, NOT_BINDABLE, "%s", why);
			return -1;
		}
		if (!l->address.raw)
			run->has_keeper = true;
	}
	return 0;
}

static void be_ready(struct run *run)
{
	bool all = run->front.ready && (!run->has_keeper || run->keeper.ready);

	if (!all || run->phase != RUN_STARTING)
		return;
	run->phase = RUN_SERVING;
	int err = ready_tell(run);
	if (err) {
		say_failure(run, FAILED, "cannot write the port file %s: %s; give another with --port-file.",
		            run->options.port_file, strerror(-err));
		begin_ending(run);
	}
}

static void child_said(struct run *run, struct child *child, const struct order *order)
{
	switch ((enum order_kind)order->kind) {
	case ORDER_READY:
		child->ready = true;
		if (child == &run->keeper)
			run->store_seen = true;
		be_ready(run);
		return;
	case ORDER_FAILED:
		if (run->phase == RUN_STARTING) {
			say_failure(run, FAILED, "%s", order->text);
			begin_ending(run);
		} else {
			log_event(run->log, LOG_ERROR, "child_failed", "%s: %s", child->program, order->text);
		}
		return;
	case ORDER_DRAINED:
		if (order->value > 0)
			run->status = FAILED;
		begin_ending(run);
		return;
	case ORDER_CONFIG:
	case ORDER_COUNTERS:
	case ORDER_LISTENER:
	case ORDER_LINK:
	case ORDER_START:
	case ORDER_LOG:
	case ORDER_DRAIN:
	case ORDER_TLS:
	case ORDER_REVOKE:
	case ORDER_PENALTIES:
	case ORDER_CLEAR_PENALTIES:
	case ORDER_PENALTY:
	case ORDER_DONE: return;
	}
}

/* Takes one message; returns whether there was one. */
static bool child_ready(struct run *run, struct child *child)
{
	struct order order;
	int err = channel_receive(child->fd, &order, sizeof(order), NULL, 1);

	if (err == -EAGAIN)
		return false;
	if (err == -ECONNRESET) /* it ended with orders unread; what it said before stands behind this */
		return true;
	if (err) { /* it is ending; SIGCHLD says when it has */
		loop_remove(&run->loop, &child->source);
		child_hang_up(child);
		return false;
	}
	order.text[sizeof(order.text) - 1] = '\0';
	child_said(run, child, &order);
	return true;
}

static void front_ready(struct loop_source *source, uint32_t events)
{
	struct run *run = container_of(source, struct run, front.source);

	(void)events;
	child_ready(run, &run->front);
}

static void keeper_ready(struct loop_source *source, uint32_t events)
{
	struct run *run = container_of(source, struct run, keeper.source);

	(void)events;
	child_ready(run, &run->keeper);
}

static int start_child(struct run *run, struct child *child)
{
	int err = family_start(run, child);

	if (err)
		say_failure(run, FAILED, "cannot start %s: %s; install it beside echod.", child->program,
		            strerror(-err));
	return err;
}

static void restart(struct run *run, struct child *child)
{
	if (run->phase != RUN_SERVING || child->pid)
		return;
	int err = family_start(run, child);
	if (err) {
		log_event(run->log, LOG_ERROR, "restart", "cannot start %s: %s; trying again", child->program,
		          strerror(-err));
		loop_arm(&run->loop, &child->restart, child_backoff_ms(child, run->loop.now_ms));
	}
}

static void restart_front(struct deadline *d)
{
	struct run *run = container_of(d, struct run, front.restart);

	restart(run, &run->front);
}

static void restart_keeper(struct deadline *d)
{
	struct run *run = container_of(d, struct run, keeper.restart);

	restart(run, &run->keeper);
}

static bool all_ended(const struct run *run)
{
	return !run->front.pid && !run->keeper.pid;
}

static void child_ended(struct run *run, struct child *child, int how)
{
	bool killed = WIFSIGNALED(how);

	child->pid = 0;
	child->ready = false;
	/* It may have said why before it ended: a few words at most. */
	for (int i = 0; i < LAST_WORDS && child->fd >= 0 && child_ready(run, child); i++)
		;
	if (child->fd >= 0) {
		loop_remove(&run->loop, &child->source);
		child_hang_up(child);
	}
	family_clear_gauges(run, child);
	if (run->phase == RUN_ENDING) {
		if (all_ended(run))
			loop_stop(&run->loop);
		return;
	}
	log_event(run->log, LOG_ERROR, "child_ended", "%s ended by %s %d", child->program, killed ? "signal" : "status",
	          killed ? WTERMSIG(how) : WEXITSTATUS(how));
	if (run->phase == RUN_STARTING) {
		say_failure(run, FAILED, "%s ended by %s %d before it was ready; the log (%s) may say why.",
		            child->program, killed ? "signal" : "status", killed ? WTERMSIG(how) : WEXITSTATUS(how),
		            log_name(run));
		begin_ending(run);
	} else if (run->phase == RUN_DRAINING && child == &run->front) {
		run->status = FAILED;
		begin_ending(run);
	} else if (run->phase == RUN_SERVING) {
		uint64_t wait_ms = child_backoff_ms(child, run->loop.now_ms);
		if (wait_ms)
			loop_arm(&run->loop, &child->restart, wait_ms);
		else
			restart(run, child);
	}
}

static void reap(struct run *run)
{
	struct child *children[] = {&run->front, &run->keeper};

	for (size_t i = 0; i < array_size(children); i++) {
		int how;
		if (children[i]->pid && waitpid(children[i]->pid, &how, WNOHANG) == children[i]->pid)
			child_ended(run, children[i], how);
	}
}

static void close_listeners(struct run *run)
{
	for (uint32_t i = 0; i < run->listeners; i++)
		listen_close(&run->listener[i]);
	ready_take_back(run);
}

static void kill_child(const struct child *child)
{
	if (child->pid)
		kill(child->pid, SIGKILL);
}

static void patience_is_over(struct deadline *d)
{
	struct run *run = container_of(d, struct run, patience);

	run->status = FAILED;
	kill_child(&run->front);
	if (run->phase == RUN_ENDING)
		kill_child(&run->keeper);
}

/* Nobody is served any more: the children see our ends close, and go. */
static void begin_ending(struct run *run)
{
	if (run->phase == RUN_ENDING)
		return;
	if (run->phase < RUN_DRAINING)
		close_listeners(run);
	run->phase = RUN_ENDING;
	struct child *children[] = {&run->front, &run->keeper};
	for (size_t i = 0; i < array_size(children); i++) {
		loop_disarm(&run->loop, &children[i]->restart);
		if (children[i]->fd >= 0)
			loop_remove(&run->loop, &children[i]->source);
		child_hang_up(children[i]);
	}
	loop_arm(&run->loop, &run->patience, KEEPER_PATIENCE_MS);
	if (all_ended(run))
		loop_stop(&run->loop);
}

static void begin_draining(struct run *run)
{
	struct order drain = {.kind = ORDER_DRAIN};

	if (run->phase == RUN_STARTING || !run->front.pid) {
		begin_ending(run);
		return;
	}
	close_listeners(run);
	run->phase = RUN_DRAINING;
	log_event(run->log, LOG_INFO, "drain", "no new connections; those that are open may take what waits for them");
	loop_disarm(&run->loop, &run->front.restart);
	loop_disarm(&run->loop, &run->keeper.restart);
	child_order(&run->front, &drain, -1);
	loop_arm(&run->loop, &run->patience, run->options.drain_ms + FRONT_PATIENCE_MS);
}

static void force_end(struct run *run)
{
	log_event(run->log, LOG_WARNING, "forced", "ending at once: what clients have not taken is lost");
	run->status = FAILED;
	begin_ending(run);
	kill_child(&run->front);
	loop_arm(&run->loop, &run->patience, FORCED_PATIENCE_MS);
}

/*
 * timeout(1) and some supervisors signal the process and then its group, within microseconds: that is one wish to end,
 * not two. So the first signal takes with it what comes within a millisecond.
 */
static void asked_to_end(struct run *run)
{
	const struct timespec at_once = {.tv_nsec = 1000000};
	sigset_t wishes;

	if (run->phase >= RUN_DRAINING) {
		force_end(run);
		return;
	}
	sigemptyset(&wishes);
	sigaddset(&wishes, SIGINT);
	sigaddset(&wishes, SIGTERM);
	(void)sigtimedwait(&wishes, NULL, &at_once);
	begin_draining(run);
}

static void signals_ready(struct loop_source *source, uint32_t events)
{
	struct run *run = container_of(source, struct run, signals);
	struct signalfd_siginfo info;

	(void)events;
	if (read(source->fd, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGCHLD: reap(run); break;
	case SIGHUP:
	case SIGUSR1: reopen_log(run); break;
	case SIGQUIT: force_end(run); break;
	case SIGINT:
	case SIGTERM: asked_to_end(run); break;
	default: break;
	}
}

/* Before the first thread is there, which takes its mask from here; and so do the children. */
static void block_signals(sigset_t *set)
{
	const int taken[] = {SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1};

	sigemptyset(set);
	for (size_t i = 0; i < array_size(taken); i++)
		sigaddset(set, taken[i]);
	sigprocmask(SIG_BLOCK, set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL); /* where it is ignored, as some parent may have left it, children end unseen */
}

static int watch_signals(struct run *run, const sigset_t *set)
{
	run->signals =
	    (struct loop_source){.fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK), .ready = signals_ready};
	if (run->signals.fd < 0)
		return -errno;
	return loop_add(&run->loop, &run->signals, EPOLLIN);
}

static char *answer(void *arg, const char *command, size_t *len)
{
	return strcmp(command, "status") == 0 ? status_json(arg, len) : NULL;
}

static int open_control(struct run *run)
{
	int err = control_open(&run->control, &run->loop, run->options.state, answer, run);

	if (!err)
		return 0;
	control_close(&run->control);
	if (!run->has_keeper) { /* a raw server needs no state */
		log_event(run->log, LOG_WARNING, "no_control", "no control socket in %s: %s", run->options.state,
		          strerror(-err));
		return 0;
	}
	say_failure(run, FAILED, "cannot use the state directory %s: %s; give another with --state.",
	            run->options.state, strerror(-err));
	return err;
}

static void log_start(struct run *run)
{
	struct log_line line;

	log_begin(&line, run->log, LOG_INFO, "start");
	log_text(&line, "version", ECHOD_VERSION);
	log_number(&line, "pid", getpid());
	log_number(&line, "workers", run->options.workers);
	log_text(&line, "accounts", run->options.accounts);
	log_end(&line);
	for (uint32_t i = 0; i < run->listeners; i++) {
		log_begin(&line, run->log, LOG_INFO, "listen");
		log_text(&line, "address", run->listener[i].text);
		log_end(&line);
	}
	run->has_started = true;
}

static int prepare(struct run *run, const sigset_t *set)
{
	int err;

	raise_file_limit();
	if ((err = loop_init(&run->loop)) || (err = watch_signals(run, set)) ||
	    (err = counters_create(&run->counters, &run->counters_fd))) {
		say_failure(run, FAILED, "cannot start: %s.", strerror(-err));
		return err;
	}
	/* A server that cannot listen has not started: all that it says is why. */
	if (open_listeners(run) || open_control(run))
		return -1;
	log_start(run);
	if (run->has_keeper && start_child(run, &run->keeper))
		return -1;
	return start_child(run, &run->front);
}

static void log_stop(struct run *run)
{
	struct log_line line;

	log_begin(&line, run->log, LOG_INFO, "stop");
	log_number(&line, "status", run->status);
	log_end(&line);
}

int run_server(struct run *run)
{
	sigset_t signals;

	run->started_us = clock_wall_us();
	run->front = (struct child){.program = "echod-front", .fd = -1, .source.ready = front_ready};
	run->keeper = (struct child){.program = "echod-keeper", .fd = -1, .source.ready = keeper_ready};
	run->control.folder = run->control.source.fd = -1;
	deadline_init(&run->front.restart, restart_front);
	deadline_init(&run->keeper.restart, restart_keeper);
	deadline_init(&run->patience, patience_is_over);
	block_signals(&signals);
	if (open_log(run))
		return run->status;
	if (prepare(run, &signals))
		begin_ending(run);
	if (!all_ended(run) && loop_run(&run->loop))
		run->status = FAILED;
	control_close(&run->control);
	if (run->has_started)
		log_stop(run);
	log_close(run->log);
	return run->status;
}
