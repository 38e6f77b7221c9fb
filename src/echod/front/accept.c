#include "accept.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admit.h"
#include "closing.h"
#include "relay.h"
#include "socket.h"

#define ACCEPTS_A_TURN WORKER_ARRIVALS_MAX
#define PAUSE_MS                                                                                                       \
	100 /* after an accept that failed for want of something; nginx waits as long (accept_mutex_delay's order) */

static const char no_room[] = "421 Too many connections: try again later\r\n";

struct listener {
	struct loop_source source;
	struct acceptor *acceptor;
	uint16_t index;
};

struct acceptor {
	struct loop *loop;
	struct front *front;
	struct worker *workers;
	uint32_t turn;    /* the worker that the next client goes to */
	uint32_t in_vain; /* errors that were clients' own, since the last client or pause */
	int spare;        /* a descriptor to give up when all are used, so that a client can be told */
	struct arrival accepted[ACCEPTS_A_TURN]; /* this turn, not yet handed out */
	uint32_t accepted_count;
	bool paused;
	struct deadline pause;
	uint32_t count;
	struct listener listener[ORDER_LISTENERS_MAX];
};

static void open_spare(struct acceptor *a)
{
	if (a->spare < 0)
		a->spare = fcntl(a->front->empty_fd, F_DUPFD_CLOEXEC, 0);
}

/* Tells a client at once that there is no room, where it can be told, and closes. */
static void turn_away(struct acceptor *a, const struct listener *l, int fd)
{
	char rest[4096];

	if (admit_speaks_at_once(&a->front->listener[l->index]))
		(void)!send(fd, no_room, sizeof(no_room) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	shutdown(fd, SHUT_WR);
	for (int i = 0; i < 16 && recv(fd, rest, sizeof(rest), MSG_DONTWAIT) > 0; i++)
		;
	close(fd);
	atomic_fetch_add(&a->front->counters->refused, 1);
}

static void set_watched(struct acceptor *a, uint32_t events)
{
	for (uint32_t i = 0; i < a->count; i++) {
		if (a->listener[i].source.fd >= 0)
			loop_change(a->loop, &a->listener[i].source, events);
	}
}

static void pause_over(struct deadline *d)
{
	struct acceptor *a = container_of(d, struct acceptor, pause);

	a->paused = false;
	open_spare(a);
	set_watched(a, EPOLLIN);
}

static void pause_accepting(struct acceptor *a)
{
	a->paused = true;
	a->in_vain = 0;
	set_watched(a, 0);
	loop_arm(a->loop, &a->pause, PAUSE_MS);
}

/*
 * No descriptor is left for the next client: the spare one is, for as long as it takes to say so. Returns whether
 * another client may be waiting; accept says EMFILE before it looks whether one is.
 */
static bool use_spare(struct acceptor *a, const struct listener *l)
{
	if (a->spare >= 0) {
		close(a->spare);
		a->spare = -1;
		int fd = accept4(l->source.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		bool nobody_waits = fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
		if (fd >= 0)
			turn_away(a, l, fd);
		open_spare(a);
		if (a->spare >= 0 && (fd >= 0 || nobody_waits))
			return fd >= 0;
	}
	pause_accepting(a);
	return false;
}

/* accept(2), "Error handling": network errors of the new socket come through accept, and are not the listener's. */
static bool is_clients_own(int err)
{
	switch (err) {
	case ECONNABORTED:
	case EPROTO:
	case ENETDOWN:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case ENONET:
	case EHOSTUNREACH:
	case EOPNOTSUPP:
	case ENETUNREACH:
	case EPERM:
	case EINTR: return true;
	default: return false;
	}
}

/* Returns whether it is worth to go on accepting this turn. */
static bool accept_failed(struct acceptor *a, const struct listener *l, int err)
{
	if (err == EAGAIN || err == EWOULDBLOCK)
		return false;
	atomic_fetch_add(&a->front->counters->accept_errors, 1);
	/* One that takes no client off the queue, as a security module's EPERM, would come for ever. */
	if (is_clients_own(err) && ++a->in_vain < ACCEPTS_A_TURN)
		return true;
	if (err == EMFILE || err == ENFILE)
		return use_spare(a, l);
	pause_accepting(a);
	return false;
}

static struct peer peer_of(int fd, const struct sockaddr_storage *address)
{
	struct peer peer = peer_from_sockaddr(address);
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (peer.family != AF_UNIX)
		return peer;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0)
		peer.scope = cred.uid;
	socket_set_oob_inline(fd); /* a TCP socket has it from its listener */
	return peer;
}

/* The worker that the next client goes to. */
static uint32_t next_worker(const struct acceptor *a)
{
	return (a->turn + a->accepted_count) % a->front->config.workers;
}

/* Whether there is room for the client, and a slot where it needs one. */
static bool has_room(struct acceptor *a, struct arrival *arrival)
{
	struct front *front = a->front;

	return atomic_load(&front->counters->open) < front->max_connections &&
	       admit_take_slot(front, &front->listener[arrival->listener], &arrival->peer, next_worker(a),
	                       &arrival->hold.slot);
}

static void take_in(struct acceptor *a, const struct listener *l, int fd, const struct sockaddr_storage *address)
{
	struct front *front = a->front;
	struct arrival arrival = {.kind = ARRIVAL_CONNECTION,
	                          .fd = fd,
	                          .listener = l->index,
	                          .peer = peer_of(fd, address),
	                          .hold.slot = SLOTS_NONE};

	a->in_vain = 0;
	atomic_fetch_add(&front->counters->accepted, 1);
	if (!has_room(a, &arrival)) {
		if (atomic_load(&front->refusing) >= FRONT_REFUSING_MAX) {
			turn_away(a, l, fd);
			return;
		}
		arrival.kind = ARRIVAL_REFUSED;
		atomic_fetch_add(&front->refusing, 1);
		atomic_fetch_add(&front->counters->refused, 1);
	} else {
		atomic_fetch_add(&front->counters->open, 1);
	}
	a->accepted[a->accepted_count++] = arrival;
}

/* To the workers in turn, and to each at once what is for it: a write and a waking a worker, not a connection. */
static void hand_out(struct acceptor *a)
{
	uint32_t workers = a->front->config.workers;

	assert(workers > 0);
	for (uint32_t first = 0; first < workers && first < a->accepted_count; first++) {
		struct arrival share[ACCEPTS_A_TURN];
		size_t count = 0;
		for (uint32_t i = first; i < a->accepted_count; i += workers)
			share[count++] = a->accepted[i];
		worker_send(&a->workers[(a->turn + first) % workers], share, count);
	}
	a->turn = (a->turn + a->accepted_count) % workers;
	a->accepted_count = 0;
}

/* For each login too many one has to go: behind hand_out, so that its worker has it before it hears that. */
static void evict(struct acceptor *a)
{
	struct arrival arrival = {.kind = ARRIVAL_EVICT, .fd = -1};
	uint32_t worker;

	while (admit_choose(a->front, &arrival.hold, &worker))
		worker_send(&a->workers[worker], &arrival, 1);
}

static void listener_ready(struct loop_source *source, uint32_t events)
{
	struct listener *l = container_of(source, struct listener, source);

	(void)events;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		struct sockaddr_storage address = {0};
		socklen_t len = sizeof(address);
		int fd = accept4(source->fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0)
			take_in(l->acceptor, l, fd, &address);
		else if (!accept_failed(l->acceptor, l, errno))
			break;
	}
	hand_out(l->acceptor);
	evict(l->acceptor);
}

int accept_start(struct acceptor **out, struct loop *loop, struct front *front, struct worker *workers)
{
	struct acceptor *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	*a = (struct acceptor){.loop = loop, .front = front, .workers = workers, .spare = -1};
	deadline_init(&a->pause, pause_over);
	open_spare(a);
	for (; a->count < front->config.listeners; a->count++) {
		struct listener *l = &a->listener[a->count];
		*l = (struct listener){.source = {.fd = front->listener_fd[a->count], .ready = listener_ready},
		                       .acceptor = a,
		                       .index = (uint16_t)a->count};
		int err = loop_add(loop, &l->source, EPOLLIN);
		if (err) {
			accept_destroy(a);
			return err;
		}
	}
	*out = a;
	return 0;
}

void accept_stop(struct acceptor *a)
{
	loop_disarm(a->loop, &a->pause);
	for (uint32_t i = 0; i < a->count; i++) {
		struct listener *l = &a->listener[i];
		if (l->source.fd < 0)
			continue;
		loop_remove(a->loop, &l->source);
		close(l->source.fd);
		l->source.fd = -1;
	}
}

void accept_destroy(struct acceptor *a)
{
	accept_stop(a);
	if (a->spare >= 0)
		close(a->spare);
	free(a);
}

/* There was no memory for a connection: the client is turned away, and counted back. */
static void out_of_memory(struct worker *w, const struct arrival *arrival)
{
	close(arrival->fd);
	admit_drop_slot(w->front, arrival->hold.slot);
	if (arrival->kind == ARRIVAL_REFUSED)
		atomic_fetch_sub(&w->front->refusing, 1);
	else
		atomic_fetch_sub(&w->front->counters->open, 1);
	counters_add(&w->counters->closed[CLOSE_MEMORY], 1);
	log_event(w->front->log, LOG_ERROR, "refuse", "no memory for another connection");
}

void accept_arrived(struct worker *w, const struct arrival *arrival)
{
	const struct order_listener *listener = &w->front->listener[arrival->listener];
	bool refused = arrival->kind == ARRIVAL_REFUSED;
	struct connection *c = connection_create(w, arrival->fd, (uint16_t)arrival->listener, &arrival->peer, refused);

	if (!c) {
		out_of_memory(w, arrival);
		return;
	}
	admit_bind_slot(c, arrival->hold.slot);
	if (refused) {
		connection_log_connect(c, NULL);
		closing_refuse(c, CLOSE_LIMIT, admit_speaks_at_once(listener) ? no_room : "");
	} else if (admit_is_relay(listener, &c->peer)) {
		relay_begin(c);
	} else {
		struct peer local = connection_local_end(c);
		admit_begin(c, &local, NULL);
	}
}
