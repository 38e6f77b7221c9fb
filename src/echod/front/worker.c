#include "worker.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "accept.h"
#include "admit.h"
#include "closing.h"
#include "echo.h"
#include "front_tls.h"
#include "login.h"
#include "tls.h"
#include "unread.h"

static void tell_empty(struct worker *w)
{
	uint64_t one = 1;

	if (write(w->front->empty_fd, &one, sizeof(one)) < 0)
		abort(); /* an eventfd's counter cannot be full here */
}

void worker_connection_gone(struct worker *w)
{
	if (w->draining && w->connections.next == &w->connections)
		tell_empty(w);
}

/* Calls each for every connection; each may end the one that it is given. */
static void for_each(struct worker *w, void (*each)(struct connection *))
{
	for (struct connection *c = w->connections.next, *next; c != &w->connections; c = next) {
		next = c->next;
		each(c);
	}
}

static void drain_one(struct connection *c)
{
	switch ((enum counters_stage)c->stage) {
	case STAGE_PROXY:
	case STAGE_TLS: closing_reset(c, CLOSE_DRAIN); break;
	case STAGE_LOGIN: login_drain(c); break;
	case STAGE_ECHO: echo_drain(c); break;
	case STAGE_CLOSING: closing_hurry(c); break;
	case STAGE_COUNT: break;
	}
}

static void cut_off(struct connection *c)
{
	closing_reset(c, CLOSE_FORCED);
}

static void drain_time_is_up(struct deadline *d)
{
	for_each(container_of(d, struct worker, drain_deadline), cut_off);
}

static void drain(struct worker *w)
{
	if (w->draining)
		return;
	bool was_empty = w->connections.next == &w->connections;
	w->draining = true;
	loop_arm(&w->loop, &w->drain_deadline, w->front->config.drain_ms);
	if (was_empty)
		tell_empty(w);
	for_each(w, drain_one);
}

static void arrived(struct worker *w, const struct arrival *arrival)
{
	switch ((enum arrival_kind)arrival->kind) {
	case ARRIVAL_CONNECTION:
	case ARRIVAL_REFUSED: accept_arrived(w, arrival); break;
	case ARRIVAL_LINK: keeper_replace(&w->keeper, arrival->fd); break;
	case ARRIVAL_DRAIN: drain(w); break;
	case ARRIVAL_TLS:
		tls_context_close(w->tls); /* open sessions go on with it */
		w->tls = arrival->tls;
		break;
	case ARRIVAL_EVICT: admit_evict(w, arrival->hold); break;
	}
}

static void inbox_ready(struct loop_source *source, uint32_t events)
{
	struct worker *w = container_of(source, struct worker, inbox);
	struct arrival arrivals[WORKER_ARRIVALS_MAX];

	(void)events;
	ssize_t n = read(source->fd, arrivals, sizeof(arrivals));
	for (ssize_t i = 0; i < n / (ssize_t)sizeof(arrivals[0]); i++)
		arrived(w, &arrivals[i]);
}

void worker_send(struct worker *w, const struct arrival *arrivals, size_t count)
{
	assert(count <= WORKER_ARRIVALS_MAX);
	while (write(w->inbox_write, arrivals, count * sizeof(*arrivals)) < 0 && errno == EINTR)
		;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	if (loop_run(&w->loop) < 0)
		abort(); /* epoll itself is broken: the parent starts a new front */
	return NULL;
}

int worker_start(struct worker *w, struct front *front, unsigned index)
{
	int inbox[2], err;

	w->front = front;
	w->index = index;
	w->counters = &front->counters->worker[index];
	w->connections.prev = w->connections.next = &w->connections;
	deadline_init(&w->drain_deadline, drain_time_is_up);
	if ((err = loop_init(&w->loop)))
		return err;
	spin_init(&w->loop.spin, front->config.busy_poll_us * 1000);
	if ((err = stream_pool_init(&w->pool, &w->loop)))
		goto close_loop;
	w->pool.holding = &w->counters->holding;
	w->pool.held_bytes = &w->counters->held_bytes;
	unread_init(w);
	if (front->tls && (!(w->tls = tls_context_share(front->tls)) ||
	                   stream_pool_init_wrapped(&w->wrapped_pool, &w->pool, &front_tls_wrap))) {
		err = -ENOMEM;
		goto free_pool;
	}
	keeper_init(&w->keeper, &w->loop);
	if (pipe2(inbox, O_CLOEXEC) < 0) {
		err = -errno;
		goto free_pool;
	}
	(void)fcntl(inbox[1], F_SETPIPE_SZ, WORKER_INBOX_BYTES); /* else a flood may have logins refused */
	w->inbox = (struct loop_source){.fd = inbox[0], .ready = inbox_ready};
	w->inbox_write = inbox[1];
	if ((err = loop_add(&w->loop, &w->inbox, EPOLLIN)))
		goto close_inbox;
	if ((err = -pthread_create(&w->thread, NULL, worker_main, w)))
		goto close_inbox;
	return 0;
close_inbox:
	close(inbox[0]);
	close(inbox[1]);
free_pool:
	tls_context_close(w->tls);
	stream_pool_fini(&w->wrapped_pool);
	stream_pool_fini(&w->pool);
close_loop:
	loop_fini(&w->loop);
	return err;
}
