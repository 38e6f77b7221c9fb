#include "run.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "clock.h"
#include "commands.h"
#include "ending.h"
#include "file.h"
#include "logfile.h"
#include "program.h"
#include "reload.h"
#include "supervise.h"
#include "words.h"

#define NAME "echod"

void run_fail(struct run *run, enum run_status status, const char *fmt, ...)
{
	char text[2048];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	program_say(NAME, "%s", text);
	if (run->options.log)
		log_event(run->log, LOG_ERROR, "failed", "%s", text);
	run->status = status;
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
	char why[1024];

	for (; run->listeners < run->options.listeners; run->listeners++) {
		struct listener *l = &run->listener[run->listeners];
		if (listen_open(l, &run->options.listen[run->listeners], &run->options, run->log, why)) {
			run_fail(run, RUN_NOT_BINDABLE, "%s", why);
			return -1;
		}
		if (run->options.proxy_from[run->listeners].count > 0)
			l->local = false; /* whoever its relays hand on reaches it */
		if (!l->address.raw)
			run->has_keeper = true;
	}
	return 0;
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
		ending_force(run);
		return;
	}
	sigemptyset(&wishes);
	sigaddset(&wishes, SIGINT);
	sigaddset(&wishes, SIGTERM);
	(void)sigtimedwait(&wishes, NULL, &at_once);
	ending_drain(run);
}

static void signals_ready(struct loop_source *source, uint32_t events)
{
	struct run *run = container_of(source, struct run, signals);
	struct signalfd_siginfo info;

	(void)events;
	if (read(source->fd, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGCHLD: supervise_reap(run); break;
	case SIGHUP: free(reload_all(run).text); break; /* the log says how it went */
	case SIGUSR1: logfile_reopen(run); break;
	case SIGQUIT: ending_force(run); break;
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

static int open_control(struct run *run)
{
	const struct control_plan plan = {.command = commands_obey, .gone = commands_gone, .arg = run};

	if (run->has_keeper && file_is_open_to_others(run->options.state)) {
		run_fail(run, RUN_FAILED,
		         _("will not serve from the state directory %s: others than its owner may write in it; say "
		           "chmod go-w %s, or give another with --state."),
		         run->options.state, run->options.state);
		return -EPERM;
	}
	int err = control_open(&run->control, &run->loop, run->options.state, &plan);

	if (!err)
		return 0;
	control_close(&run->control);
	if (!run->has_keeper) { /* a raw server needs no state */
		log_event(run->log, LOG_WARNING, "no_control", "no control socket in %s: %s", run->options.state,
		          strerrordesc_np(-err));
		return 0;
	}
	const char *user = run->options.privileges.user;
	if (user)
		run_fail(run, RUN_FAILED,
		         _("cannot use the state directory %s as %s: %s; give another with --state, as in --state "
		           "/var/lib/echod."),
		         run->options.state, user, words_error(-err));
	else
		run_fail(run, RUN_FAILED, _("cannot use the state directory %s: %s; give another with --state."),
		         run->options.state, words_error(-err));
	return err;
}

/* From here on nothing is opened that the user may not open. */
static int become_user(struct run *run)
{
	const struct privileges *p = &run->options.privileges;

	if (p->user)
		(void)!file_make_folder(run->options.state, p); /* open_control tries again, and says why not */
	int err = privileges_drop(p);
	if (err && p->user)
		run_fail(run, RUN_FAILED, _("cannot become %s: %s; start echod as that user instead."), p->user,
		         words_error(-err));
	else if (err)
		run_fail(run, RUN_FAILED,
		         _("cannot become a process without new privileges: %s; start echod as that user instead."),
		         words_error(-err));
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
		run_fail(run, RUN_FAILED, _("cannot start: %s."), words_error(-err));
		return err;
	}
	/* A server that cannot listen has not started: all that it says is why. */
	if (open_listeners(run) || supervise_find(run) || become_user(run) || open_control(run))
		return -1;
	log_start(run);
	if (reload_begin(run))
		return -1;
	if (run->has_keeper && supervise_start(run, &run->keeper))
		return -1;
	return supervise_start(run, &run->front);
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
	run->control.folder = run->control.source.fd = run->certificate.fd = -1;
	supervise_init(run);
	ending_init(run);
	question_init(&run->questions, &run->loop, &run->keeper);
	block_signals(&signals);
	if (logfile_open(run))
		return (int)run->status;
	if (run->options.log)
		words_stay_english(); /* what is said at the start, the log gets too */
	if (prepare(run, &signals))
		ending_begin(run);
	if (!supervise_all_ended(run) && loop_run(&run->loop))
		run->status = RUN_FAILED;
	control_close(&run->control);
	reload_end(run);
	supervise_fini(run);
	if (run->has_started)
		log_stop(run);
	log_close(run->log);
	return (int)run->status;
}
