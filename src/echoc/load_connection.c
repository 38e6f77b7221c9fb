#include "load_connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "address.h"
#include "clock.h"
#include "dial.h"
#include "load_pattern.h"
#include "load_thread.h"
#include "socket.h"
#include "words.h"

#define AGAIN_MS   100 /* after a failure, before it is dialled again */
#define CLOSING_MS 10000

static void expired(struct deadline *d)
{
	struct load_connection *c = container_of(d, struct load_connection, deadline);

	switch (c->stage) {
	case LOAD_WAITING: load_connection_dial(c); return;
	case LOAD_DIALLING: load_connection_fail(c, LOAD_ERROR_TIMEOUT, 0, _("no connection in time")); return;
	case LOAD_SHAKING:
		load_connection_fail(c, LOAD_ERROR_TIMEOUT, 0, _("no end of the TLS handshake in time"));
		return;
	case LOAD_LOGIN: load_connection_fail(c, LOAD_ERROR_TIMEOUT, 0, _("no answer to the login in time")); return;
	case LOAD_CLOSING: load_connection_fail(c, LOAD_ERROR_TIMEOUT, 0, _("no end after the half-close")); return;
	case LOAD_ECHO:
	case LOAD_OVER: return;
	}
}

void load_connection_init(struct load_connection *c, struct load_thread *t, uint64_t index, struct load_flight *ring)
{
	*c = (struct load_connection){.thread = t, .index = index, .flight = ring, .source.fd = -1, .channel.fd = -1};
	c->random = (t->plan->options->seed + index + 1) * UINT64_C(0x9e3779b97f4a7c15) | 1;
	deadline_init(&c->deadline, expired);
}

/* Gives back what the connection holds; what it counts stays. */
static void release(struct load_connection *c)
{
	struct load_thread *t = c->thread;

	loop_disarm(&t->loop, &c->deadline);
	load_login_free(c);
	if (c->source.fd < 0)
		return;
	loop_remove(&t->loop, &c->source);
	channel_close(&c->channel);
	c->source.fd = -1;
}

static void settle(struct load_connection *c)
{
	if (c->settled)
		return;
	c->settled = true;
	load_thread_settled(c->thread);
}

static void end(struct load_connection *c)
{
	c->stage = LOAD_OVER;
	load_thread_over(c->thread);
	settle(c);
}

/* What was under way is lost; what was queued only was never sent. */
static void count_lost(struct load_connection *c)
{
	struct load_counters *n = &c->thread->measures.counters;

	n->bytes_missing += c->sent - c->came;
	n->messages_lost += c->begun - c->head;
	n->messages_unsent += c->tail - c->begun;
	c->queued = c->sent = c->came = c->begun_at = 0;
	c->head = c->begun = c->tail = 0;
}

void load_connection_fail(struct load_connection *c, enum load_error kind, int err, const char *why)
{
	struct load_thread *t = c->thread;

	t->measures.counters.errors[kind]++;
	if (!t->why[0])
		snprintf(t->why, sizeof(t->why), "%s: %s", _(load_error_names[kind]),
		         why   ? why
		         : err ? channel_why(&c->channel, err)
		               : _("the server ended the connection"));
	release(c);
	count_lost(c);
	if (!t->begun || t->draining) {
		end(c);
		return;
	}
	c->stage = LOAD_WAITING;
	loop_arm(&t->loop, &c->deadline, AGAIN_MS);
}

void load_connection_give_up(struct load_connection *c)
{
	if (c->stage == LOAD_OVER)
		return;
	if (c->stage == LOAD_CLOSING)
		c->thread->measures.counters.errors[LOAD_ERROR_TIMEOUT]++;
	release(c);
	count_lost(c);
	end(c);
}

/* A port with nobody behind it may be picked for our own end (simultaneous open), and then all comes back by itself. */
static bool is_self(const struct load_connection *c)
{
	struct peer target = peer_from_sockaddr(&c->thread->plan->target);
	struct sockaddr_storage s = {.ss_family = AF_UNSPEC};
	socklen_t len = sizeof(s);

	if (target.family == AF_UNIX || socket_local_port(c->source.fd) != target.port ||
	    getsockname(c->source.fd, (struct sockaddr *)&s, &len) < 0)
		return false;
	struct peer here = peer_from_sockaddr(&s);
	return peer_same_host(&here, &target);
}

static void dialled(struct loop_source *source, uint32_t events)
{
	struct load_connection *c = container_of(source, struct load_connection, source);
	socklen_t len = sizeof(int);
	int err = 0;

	(void)events;
	if (getsockopt(source->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	if (!err && is_self(c))
		err = ECONNREFUSED;
	if (err) {
		load_connection_fail(c, LOAD_ERROR_CONNECT, -err, NULL);
		return;
	}
	socket_set_nodelay(source->fd);
	loop_change(&c->thread->loop, source, EPOLLIN);
	if (c->thread->plan->tls)
		load_shake_start(c);
	else
		load_connection_connected(c);
}

void load_connection_connected(struct load_connection *c)
{
	if (c->thread->plan->raw)
		load_connection_enter(c);
	else
		load_login_start(c);
}

static int start_dialling(struct load_connection *c)
{
	const struct load_plan *plan = c->thread->plan;
	const struct sockaddr *target = (const struct sockaddr *)&plan->target;

	c->source.fd = socket(target->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->source.fd < 0)
		return -errno;
	channel_open(&c->channel, c->source.fd);
	c->source.ready = dialled;
	int err = loop_add(&c->thread->loop, &c->source, EPOLLOUT);
	if (err)
		return err;
	return connect(c->source.fd, target, plan->target_len) < 0 && errno != EINPROGRESS ? -errno : 0;
}

void load_connection_dial(struct load_connection *c)
{
	c->stage = LOAD_DIALLING;
	c->dialled_ns = clock_now_ns();
	c->sent_at = c->came_at =
	    (uint32_t)(c->index * 67 * LOAD_PATTERN_LINE % LOAD_PATTERN_PERIOD); /* no two alike, that is mixed up */
	c->messages = 0;
	c->watches_out = false;
	c->blocked = true;
	int err = start_dialling(c);
	if (err)
		load_connection_fail(c, LOAD_ERROR_CONNECT, err, NULL);
	else
		loop_arm(&c->thread->loop, &c->deadline, DIAL_CONNECT_MS);
}

void load_connection_enter(struct load_connection *c)
{
	struct load_thread *t = c->thread;
	uint64_t now_ns = clock_now_ns();

	loop_disarm(&t->loop, &c->deadline);
	load_login_free(c);
	c->stage = LOAD_ECHO;
	c->source.ready = load_echo_ready;
	t->measures.counters.connections++;
	histogram_add(&t->measures.set_up, now_ns - c->dialled_ns);
	if (t->begun && now_ns - t->open_ns < t->window_ns)
		t->measures.counters.window_connections++;
	settle(c);
	if (t->begun)
		load_echo_send(c, now_ns);
}

/* Receives once on a connection of which all is back. Returns whether there may be more. */
static bool receive_end(struct load_connection *c)
{
	struct load_thread *t = c->thread;
	ssize_t n = channel_receive(&c->channel, t->buf, LOAD_BUF);

	if (n == -EAGAIN)
		return false;
	if (n < 0) {
		load_connection_fail(c, load_connection_kind((int)n), (int)n, NULL);
		return false;
	}
	if (n > 0) { /* it was never sent */
		t->measures.counters.bytes_received += (uint64_t)n;
		t->measures.counters.bytes_damaged += (uint64_t)n;
		return channel_pending(&c->channel);
	}
	release(c);
	count_lost(c);
	if (t->draining && !load_echo_owes(c))
		end(c);
	else
		load_connection_dial(c);
	return false;
}

/* Ends our direction, which may take more than one turn under TLS. Returns whether it goes on. */
static bool end_sending(struct load_connection *c)
{
	int err = channel_end(&c->channel);

	if (!err || err == -EAGAIN) {
		loop_change(&c->thread->loop, &c->source, err ? EPOLLIN | EPOLLOUT : EPOLLIN);
		return true;
	}
	load_connection_fail(c, load_connection_kind(err), err, NULL);
	return false;
}

static void await_end(struct loop_source *source, uint32_t events)
{
	struct load_connection *c = container_of(source, struct load_connection, source);

	if ((events & EPOLLOUT) && !end_sending(c))
		return;
	if (!(events & ~(uint32_t)EPOLLOUT) && !channel_pending(&c->channel))
		return;
	while (receive_end(c))
		;
}

void load_connection_finish(struct load_connection *c)
{
	c->stage = LOAD_CLOSING;
	c->source.ready = await_end;
	if (!end_sending(c))
		return;
	loop_arm(&c->thread->loop, &c->deadline, CLOSING_MS);
	if (channel_pending(&c->channel)) /* the server's end is here already, and no event will tell */
		await_end(&c->source, 0);
}

enum load_error load_connection_kind(int err)
{
	switch (err) {
	case -ETIMEDOUT: return LOAD_ERROR_TIMEOUT;
	case CHANNEL_FAILED: return LOAD_ERROR_TLS;
	default: return LOAD_ERROR_RESET;
	}
}
