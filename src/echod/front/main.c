/* echod-front: takes what the parent hands over, starts the workers, accepts, and ends when the parent does. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "accept.h"
#include "admit.h"
#include "channel.h"
#include "front.h"
#include "program.h"
#include "sandbox.h"
#include "text.h"
#include "tls.h"
#include "worker.h"

#define DESCRIPTORS_FORESEEN 65536 /* half a MiB of the kernel's memory */

struct run {
	struct front front;
	struct loop loop;
	struct loop_source parent, empty;
	struct acceptor *acceptor;
	struct worker *workers;
	int link[ORDER_WORKERS_MAX]; /* until the workers run */
	int log_fd;
	int files; /* of sandbox_close_files */
	bool started, draining;
	uint32_t still_full; /* workers that are not empty yet, while draining */
};

static _Noreturn void fail(const char *sentence)
{
	struct order order = {.kind = ORDER_FAILED};

	snprintf(order.text, sizeof(order.text), "%s", sentence);
	int err = channel_send(ORDER_FD, &order, sizeof(order), -1, 0);
	if (err == -EBADF || err == -ENOTSOCK)
		program_say("echod-front", "cannot start: this program is started by echod, not by hand");
	_exit(1);
}

static void tell_parent(enum order_kind kind, uint64_t value)
{
	struct order order = {.kind = (uint32_t)kind, .value = value};

	if (channel_send(ORDER_FD, &order, sizeof(order), -1, 0))
		_exit(1); /* the parent would wait for it for ever; so it sees us end */
}

/* The connections that fit beside what the front itself needs. */
static void derive_limit(struct front *front)
{
	struct rlimit files;
	char sentence[ORDER_TEXT_MAX];
	/* each worker: epoll, pipe, link and the next one; the log, counters, orders, spare, eventfd and the standard
	 * three besides */
	uint32_t own = 16 + front->config.workers * 5 + front->config.listeners + FRONT_REFUSING_MAX;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		files.rlim_cur = 1024;
	uint64_t room = files.rlim_cur > own ? files.rlim_cur - own : 0;
	if (room > UINT32_MAX)
		room = UINT32_MAX;
	if (room == 0 || front->config.max_connections > room) {
		snprintf(sentence, sizeof(sentence),
		         "the limit of %llu open files leaves room for %llu connections, fewer than wanted: raise it "
		         "(ulimit -n), or lower --max-connections or --workers.",
		         (unsigned long long)files.rlim_cur, (unsigned long long)room);
		fail(sentence);
	}
	front->max_connections = front->config.max_connections ? front->config.max_connections : (uint32_t)room;
	atomic_store(&front->counters->max_connections, front->max_connections);
}

/* Before the first client is there. */
static void shut_in(struct run *run)
{
	struct front *front = &run->front;
	char sentence[ORDER_TEXT_MAX];
	int holds = sandbox_close(SANDBOX_FRONT, run->files, front->log);

	if (holds < 0) {
		snprintf(sentence, sizeof(sentence), "the front cannot be shut in: %s; see whether memory is short.",
		         strerror(-holds));
		fail(sentence);
	}
	atomic_store(&front->counters->sandbox_front, (uint64_t)holds);
}

/*
 * The kernel's table of our descriptors grows by doubling, and where threads share it, accept then waits until every
 * core has passed a grace period (expand_fdtable): on a busy machine for seconds (measured, 3 to 15 at 512 and 1024
 * connections). So it grows now, while there is one thread. Eight bytes a descriptor.
 */
static void grow_descriptor_table(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur < 2)
		return;
	int last = files.rlim_cur < DESCRIPTORS_FORESEEN ? (int)files.rlim_cur - 1 : DESCRIPTORS_FORESEEN - 1;
	int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, last);
	if (fd >= 0)
		close(fd);
}

static void take_link(struct run *run, uint32_t index, int fd)
{
	struct arrival arrival = {.kind = ARRIVAL_LINK, .fd = fd};

	if (index >= run->front.config.workers)
		close(fd);
	else if (run->started)
		worker_send(&run->workers[index], &arrival, 1);
	else
		run->link[index] = fd;
}

/* Without a certificate nobody could be served there. */
static void check_tls(const struct front *front)
{
	for (uint32_t i = 0; i < front->config.listeners; i++) {
		if (front->listener[i].tls && !front->tls)
			fail("the certificate for the TLS listeners could not be taken: too little memory.");
	}
}

static void start(struct run *run)
{
	struct front *front = &run->front;

	derive_limit(front);
	check_tls(front);
	if (gethostname(front->host, sizeof(front->host) - 1) < 0 || !front->host[0])
		text_copy(front->host, sizeof(front->host), "localhost");
	if (admit_open(front))
		fail("no memory for the table of addresses.");
	run->workers = calloc(front->config.workers, sizeof(struct worker));
	if (!run->workers)
		fail("no memory for the workers.");
	for (uint32_t i = 0; i < front->config.workers; i++) {
		if (worker_start(&run->workers[i], front, i))
			fail("a worker could not be started: too few descriptors, threads or memory.");
	}
	run->started = true;
	for (uint32_t i = 0; i < front->config.workers; i++) {
		if (run->link[i] >= 0)
			take_link(run, i, run->link[i]);
	}
	if (accept_start(&run->acceptor, &run->loop, front, run->workers))
		fail("the listeners could not be watched: too few descriptors or memory.");
	shut_in(run);
	tell_parent(ORDER_READY, 0);
}

static void drain(struct run *run)
{
	struct arrival arrival = {.kind = ARRIVAL_DRAIN, .fd = -1};

	if (run->draining || !run->started)
		return;
	run->draining = true;
	run->still_full = run->front.config.workers;
	accept_stop(run->acceptor);
	for (uint32_t i = 0; i < run->front.config.workers; i++)
		worker_send(&run->workers[i], &arrival, 1);
}

static void take_config(struct run *run, const struct order *order, int fd)
{
	struct front *front = &run->front;

	if (order->config.size != sizeof(struct order_config) || order->config.workers > ORDER_WORKERS_MAX ||
	    order->config.listeners > ORDER_LISTENERS_MAX || fd < 0)
		fail("echod and echod-front are of different builds: install them together.");
	front->config = order->config;
	run->log_fd = fd;
}

static void take_counters(struct run *run, int fd)
{
	struct front *front = &run->front;

	if (fd < 0 || counters_map(&front->counters, fd))
		fail("the counters could not be mapped: too little memory.");
	close(fd);
	if (log_open(&front->log, STDERR_FILENO, (enum log_level)front->config.log_level,
	             &front->counters->log_lost_front))
		fail("the log's thread could not be started: too few threads or memory.");
	log_reopen(front->log, run->log_fd); /* and owns it */
	front->debugging = log_wants(front->log, LOG_DEBUG);
}

/* Every worker makes its new sessions from it; where one finds no memory, that one goes on as it was. */
static void hand_out_tls(struct run *run)
{
	for (uint32_t i = 0; run->started && i < run->front.config.workers; i++) {
		struct arrival arrival = {.kind = ARRIVAL_TLS, .fd = -1, .tls = tls_context_share(run->front.tls)};
		if (arrival.tls)
			worker_send(&run->workers[i], &arrival, 1);
	}
}

/* The parent has tried what is in fd, so it fails for want of memory only. */
static void take_tls(struct run *run, int fd, size_t size)
{
	struct tls_context *context = NULL;
	char why[TLS_WHY_MAX] = "memory is out";
	void *pem = MAP_FAILED;

	if (size > 0) /* told, for the sandbox lets nobody ask */
		pem = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (pem != MAP_FAILED) {
		if (tls_context_open_server(&context, pem, size, why))
			context = NULL;
		munmap(pem, size);
	}
	close(fd);
	if (!context) {
		log_event(run->front.log, LOG_ERROR, "tls", "the certificate could not be taken: %s", why);
		return;
	}
	tls_context_close(run->front.tls);
	run->front.tls = context;
	hand_out_tls(run);
}

static void obey(struct run *run, const struct order *order, int fd)
{
	switch ((enum order_kind)order->kind) {
	case ORDER_CONFIG: take_config(run, order, fd); return;
	case ORDER_COUNTERS: take_counters(run, fd); return;
	case ORDER_LISTENER:
		run->front.listener[order->index] = order->listener;
		run->front.listener_fd[order->index] = fd;
		return;
	case ORDER_LINK: take_link(run, order->index, fd); return;
	case ORDER_START: start(run); break;
	case ORDER_LOG: log_reopen(run->front.log, fd); return;
	case ORDER_DRAIN: drain(run); break;
	case ORDER_TLS:
		if (fd >= 0)
			take_tls(run, fd, (size_t)order->value);
		return;
	case ORDER_REVOKE:
	case ORDER_PENALTIES:
	case ORDER_CLEAR_PENALTIES:
	case ORDER_READY:
	case ORDER_FAILED:
	case ORDER_DRAINED:
	case ORDER_PENALTY:
	case ORDER_DONE: break;
	}
	if (fd >= 0)
		close(fd);
}

static void parent_ready(struct loop_source *source, uint32_t events)
{
	struct run *run = container_of(source, struct run, parent);
	struct order order;
	int fd;

	(void)events;
	int err = channel_receive(source->fd, &order, sizeof(order), &fd, 1);
	if (err == -EPIPE) { /* the parent is gone: nobody would restart us, or free the port */
		log_finish(run->front.log);
		_exit(1);
	}
	if (err)
		return;
	obey(run, &order, fd);
}

static uint64_t cut_off_count(const struct run *run)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < run->front.config.workers; i++)
		n += counters_get(&run->front.counters->worker[i].closed[CLOSE_FORCED]);
	return n;
}

static void worker_is_empty(struct loop_source *source, uint32_t events)
{
	struct run *run = container_of(source, struct run, empty);
	uint64_t n = 0;

	(void)events;
	if (read(source->fd, &n, sizeof(n)) < 0 || !run->draining)
		return;
	run->still_full -= (uint32_t)n < run->still_full ? (uint32_t)n : run->still_full;
	if (run->still_full > 0)
		return;
	tell_parent(ORDER_DRAINED, cut_off_count(run));
	log_finish(run->front.log);
	_exit(0); /* the threads go with it; nothing of theirs is left to be done */
}

int main(void)
{
	static struct run run;

	(void)prctl(PR_SET_NAME, "echod-front", 0, 0, 0); /* started by descriptor, it would have a number for a name */
	signal(SIGPIPE, SIG_IGN);
	program_fix_descriptors();
	grow_descriptor_table();
	run.files = sandbox_close_files(NULL);
	memset(run.link, -1, sizeof(run.link));
	memset(run.front.listener_fd, -1, sizeof(run.front.listener_fd));
	run.parent = (struct loop_source){.fd = ORDER_FD, .ready = parent_ready};
	run.empty = (struct loop_source){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = worker_is_empty};
	run.front.empty_fd = run.empty.fd;
	if (run.empty.fd < 0 || loop_init(&run.loop) || loop_add(&run.loop, &run.parent, EPOLLIN) ||
	    loop_add(&run.loop, &run.empty, EPOLLIN))
		fail("the front could not be started: too few descriptors or memory.");
	return loop_run(&run.loop) ? 1 : 0;
}
