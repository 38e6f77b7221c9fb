#include "load.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "failure.h"
#include "load_json.h"
#include "load_pattern.h"
#include "load_report.h"
#include "load_thread.h"
#include "program.h"
#include "text.h"
#include "wait.h"
#include "words.h"

#define MS_NS        1000000
#define SECOND_NS    UINT64_C(1000000000)
#define GRACE_NS     (100 * MS_NS) /* after a second's end its numbers are looked at */
#define TRIAL_END_MS 1000          /* for the end of the connection that was tried */
#define FILES_THREAD 3             /* descriptors of a thread: epoll, eventfd, timerfd */
#define FILES_BESIDE 32            /* of the process */

struct load {
	struct reach *reach;
	const struct load_options *options;
	struct load_plan plan;
	struct load_thread *threads;
	int signals;     /* a signalfd */
	sigset_t caught; /* what it stands for */
	bool shows_line, interrupted;
	int64_t started_us;
	uint64_t seen_ns; /* as of when now is */
	struct load_measures before, now;
	struct histogram since; /* between the two */
};

static enum status PRINTF_LIKE(3, 4) refuse(const struct load *l, enum status status, const char *fmt, ...)
{
	char why[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	program_say(ECHOC, "%s.", why);
	if (l->reach->options->json || l->reach->options->json_stream)
		failure_json(stdout, options_schema(MODE_LOAD), (int)status, NULL, why);
	return status;
}

/* Sees to it that there may be enough descriptors. */
static enum status raise_files(const struct load *l)
{
	uint64_t wanted = l->options->connections + l->options->threads * FILES_THREAD + FILES_BESIDE;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
		return STATUS_FINE;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max >= wanted)
		return STATUS_FINE;
	unsigned long long n = l->options->connections;
	return refuse(l, STATUS_USAGE,
	              ngettext("%llu connection wants %llu open files, and the limit is %llu: raise it (ulimit -Hn), "
	                       "or give fewer --connections",
	                       "%llu connections want %llu open files, and the limit is %llu: raise it (ulimit -Hn), "
	                       "or give fewer --connections",
	                       n),
	              n, (unsigned long long)wanted, (unsigned long long)limit.rlim_max);
}

/* Where the connections go: where the tried one went. The kernel may know a unix socket by an older name. */
static int take_target(struct load_plan *plan, const struct address *a, int fd)
{
	struct sockaddr_un *path = (struct sockaddr_un *)&plan->target;

	plan->target_len = sizeof(plan->target);
	if (!a->is_unix)
		return getpeername(fd, (struct sockaddr *)&plan->target, &plan->target_len) < 0 ? -errno : 0;
	path->sun_family = AF_UNIX;
	(void)text_copy(path->sun_path, sizeof(path->sun_path), a->path);
	plan->target_len = sizeof(*path);
	return 0;
}

/* Ends a connection on which nothing was sent, and lets the server end it first of all. */
static void end_trial(struct channel *c)
{
	char byte;

	if (channel_end(c) == 0 && channel_wait(c, POLLIN, wait_now_ms() + TRIAL_END_MS) == 0)
		(void)!channel_receive(c, &byte, 1);
	channel_close(c);
}

/* Tries address and login: what is wrong is said once, and a new account is there before all ask for it. */
static enum status try_first(struct load *l)
{
	struct reach *r = l->reach;
	struct channel channel;
	enum status status = reach_first(r, &channel);

	if (status != STATUS_FINE) {
		reach_failed_json(r, status);
		return status;
	}
	int err = take_target(&l->plan, &r->address, channel.fd);
	end_trial(&channel);
	l->plan.tls = r->tls;
	if (err)
		return refuse(l, STATUS_UNREACHABLE, _("%s ended the connection at once (%s)"), r->where,
		              words_error(-err));
	return STATUS_FINE;
}

static void show_line(const struct load *l, const char *line)
{
	if (l->shows_line)
		fprintf(stderr, "\r%-78s\r%s", "", line);
}

static void wake_all(struct load *l)
{
	for (uint64_t i = 0; i < l->options->threads; i++)
		load_thread_wake(&l->threads[i]);
}

static void start_threads(struct load *l)
{
	sigset_t before;
	int err = 0;

	/* The threads are born with the signals blocked; here they end the process until the traffic begins. */
	pthread_sigmask(SIG_BLOCK, &l->caught, &before);
	l->plan.start_ns = clock_now_ns();
	for (uint64_t i = 0; i < l->options->threads && !err; i++)
		err = load_thread_start(&l->threads[i], &l->plan, i);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		exit((int)refuse(l, STATUS_LOST, _("cannot start the threads: %s"),
		                 words_error(-err))); /* some of them run */
}

/* What all threads have last shown of themselves becomes now. */
static void gather(struct load *l)
{
	load_measures_init(&l->now);
	for (uint64_t i = 0; i < l->options->threads; i++) {
		struct load_thread *t = &l->threads[i];
		pthread_mutex_lock(&t->lock);
		load_measures_merge(&l->now, &t->published);
		if (t->published_ns > l->seen_ns)
			l->seen_ns = t->published_ns;
		pthread_mutex_unlock(&t->lock);
	}
}

/* Waits for the threads or a signal, until until_ns at most. */
static void wait_event(struct load *l, uint64_t until_ns)
{
	struct pollfd p[] = {{.fd = l->plan.notify, .events = POLLIN}, {.fd = l->signals, .events = POLLIN}};
	struct signalfd_siginfo info;
	uint64_t n;

	if (poll(p, 2, wait_poll_ms(until_ns / MS_NS + 1)) <= 0)
		return;
	if (p[0].revents)
		(void)!read(l->plan.notify, &n, sizeof(n));
	if (!p[1].revents)
		return;
	(void)!read(l->signals, &info, sizeof(info));
	l->interrupted = true;
	atomic_store(&l->plan.close_ns, clock_now_ns());
	wake_all(l);
	pthread_sigmask(SIG_UNBLOCK, &l->caught, NULL); /* a second one ends the process */
}

static void await_set_up(struct load *l)
{
	unsigned long long of = l->options->connections;
	char line[LOAD_LINE_MAX];

	while (atomic_load(&l->plan.set_up) < l->options->threads) {
		wait_event(l, clock_now_ns() + SECOND_NS);
		snprintf(line, sizeof(line),
		         ngettext("setting up: %u of %llu connection", "setting up: %u of %llu connections", of),
		         atomic_load(&l->plan.connections), of);
		show_line(l, line);
	}
}

static enum status status_of_set_up(const struct load_counters *c)
{
	if (c->errors[LOAD_ERROR_TLS])
		return STATUS_NO_SECRET;
	if (c->errors[LOAD_ERROR_LOGIN])
		return STATUS_REFUSED;
	return c->errors[LOAD_ERROR_PROTOCOL] ? STATUS_NOT_PROTOCOL : STATUS_UNREACHABLE;
}

static void read_progress(struct load *l, struct load_progress *p)
{
	const struct load_options *o = l->options;
	const struct load_counters *a = &l->before.counters, *b = &l->now.counters;
	uint64_t begin_ns = atomic_load(&l->plan.begin_ns), before_ns = l->seen_ns;

	l->before = l->now;
	gather(l);
	*p = (struct load_progress){.elapsed_s = (double)(l->seen_ns - begin_ns) / 1e9,
	                            .total_s = (double)(o->warm_up_ms + o->duration_ms) / 1e3,
	                            .interval_s = (double)(l->seen_ns - before_ns) / 1e9,
	                            .messages = b->messages_received - a->messages_received,
	                            .bytes_sent = b->bytes_sent - a->bytes_sent,
	                            .bytes_received = b->bytes_received - a->bytes_received,
	                            .errors = load_counters_errors(b),
	                            .damaged = b->bytes_damaged};
	p->phase = p->elapsed_s * 1e3 < (double)o->warm_up_ms ? "warm_up"
	           : p->elapsed_s < p->total_s                ? "window"
	                                                      : "drain";
	l->since = o->rate ? l->now.response : l->now.service;
	histogram_subtract(&l->since, o->rate ? &l->before.response : &l->before.service);
	load_times_read(&p->times, &l->since);
}

static void show_progress(struct load *l)
{
	char line[LOAD_LINE_MAX];
	struct load_progress p;

	read_progress(l, &p);
	load_report_progress(&p, line);
	show_line(l, line);
	if (!l->reach->options->json_stream)
		return;
	load_json_progress(stdout, &p);
	fflush(stdout);
}

static void run_traffic(struct load *l)
{
	uint64_t begin_ns = clock_now_ns(), next_ns = begin_ns + SECOND_NS + GRACE_NS;

	pthread_sigmask(SIG_BLOCK, &l->caught, NULL);
	l->started_us = clock_wall_us();
	l->seen_ns = begin_ns;
	atomic_store(&l->plan.begin_ns, begin_ns);
	wake_all(l);
	while (atomic_load(&l->plan.ended) < l->options->threads) {
		wait_event(l, next_ns);
		if (clock_now_ns() < next_ns)
			continue;
		show_progress(l);
		next_ns += SECOND_NS;
	}
	pthread_sigmask(SIG_UNBLOCK, &l->caught, NULL);
	show_line(l, "");
}

static double window_s(const struct load *l)
{
	uint64_t open_ns = atomic_load(&l->plan.begin_ns) + l->options->warm_up_ms * MS_NS;
	uint64_t close_ns = open_ns + l->options->duration_ms * MS_NS, early_ns = atomic_load(&l->plan.close_ns);

	if (early_ns && early_ns < close_ns)
		close_ns = early_ns;
	return close_ns > open_ns ? (double)(close_ns - open_ns) / 1e9 : 0;
}

static enum status print(const struct load *l, const struct load_result *r)
{
	bool json = l->reach->options->json || l->reach->options->json_stream;

	if (json)
		load_json_result(stdout, r);
	if (!json || !l->reach->options->quiet)
		load_report_result(json ? stderr : stdout, r);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return r->status;
	program_say(ECHOC, _("cannot write the result: %s."), words_error(errno));
	return STATUS_LOST;
}

static enum status report(struct load *l)
{
	struct load_result r = {.options = l->options,
	                        .where = l->reach->where,
	                        .started_us = l->started_us,
	                        .window_s = window_s(l),
	                        .interrupted = l->interrupted};
	const char *why = "";

	load_measures_init(&l->now);
	for (uint64_t i = 0; i < l->options->threads; i++) {
		const struct load_thread *t = &l->threads[i];
		load_measures_merge(&l->now, &t->measures);
		if (t->cpu_share > r.cpu_share_max)
			r.cpu_share_max = t->cpu_share;
		if (!*why)
			why = t->why;
	}
	load_result_judge(&r, &l->now, why);
	return print(l, &r);
}

static enum status measure(struct load *l)
{
	start_threads(l);
	await_set_up(l);
	gather(l);
	bool any = l->now.counters.connections > 0;
	run_traffic(l); /* where there is no connection, its threads end at once */
	for (uint64_t i = 0; i < l->options->threads; i++)
		load_thread_join(&l->threads[i]);
	for (uint64_t i = 0; i < l->options->threads; i++) {
		if (l->threads[i].failed)
			return refuse(l, STATUS_LOST, _("cannot wait for events: %s"),
			              words_error(-l->threads[i].failed));
	}
	if (any)
		return report(l);
	unsigned long long n = l->options->connections;
	return refuse(l, status_of_set_up(&l->now.counters),
	              ngettext("%s: none of %llu connection could be set up (%s)",
	                       "%s: none of %llu connections could be set up (%s)", n),
	              l->reach->where, n, l->threads[0].why);
}

static int open_descriptors(struct load *l)
{
	sigemptyset(&l->caught);
	sigaddset(&l->caught, SIGINT);
	sigaddset(&l->caught, SIGTERM);
	l->signals = signalfd(-1, &l->caught, SFD_CLOEXEC | SFD_NONBLOCK);
	l->plan.notify = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return l->signals < 0 || l->plan.notify < 0 ? -errno : 0;
}

static enum status run(struct load *l)
{
	enum status status = raise_files(l);

	if (status == STATUS_FINE)
		status = try_first(l);
	if (status != STATUS_FINE)
		return status;
	if (open_descriptors(l))
		return refuse(l, STATUS_LOST, _("cannot begin: %s"), words_error(errno));
	load_pattern_init();
	status = measure(l);
	close(l->signals);
	close(l->plan.notify);
	return status;
}

enum status load_run(struct reach *r)
{
	const struct options *o = r->options;
	struct load *l = calloc(1, sizeof(*l));
	struct load_thread *threads = calloc(o->load.threads, sizeof(*threads));
	enum status status = STATUS_LOST;

	if (l && threads) {
		l->reach = r;
		l->options = &o->load;
		l->threads = threads;
		l->shows_line = isatty(STDERR_FILENO) && !o->quiet;
		l->plan.options = &o->load;
		l->plan.watched = l->shows_line || o->json_stream;
		l->plan.raw = r->address.raw;
		l->plan.host = r->address.host;
		l->plan.identity = &r->identity;
		l->plan.user = r->user;
		l->plan.secret = &r->secret;
		l->plan.may_create = !o->no_register;
		l->plan.may_leave_machine = o->allow_cleartext;
		status = run(l);
	} else {
		program_say(ECHOC, _("out of memory."));
	}
	free(threads);
	free(l);
	return status;
}
