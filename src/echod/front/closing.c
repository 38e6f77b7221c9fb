#include "closing.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "login.h"
#include "relay.h"
#include "socket.h"
#include "worker.h"

/*
 * Until the client has read the last words: 64 KiB of its input or 2 s; less when the server itself goes, and for a
 * login that went in favour of another: a flood of those is not to hold more descriptors than there are slots.
 */
#define LINGER_BYTES    (64 * 1024)
#define LINGER_MS       2000
#define LINGER_SHORT_MS 200
#define LOOKS           4
#define LOOK_MS         60000 /* without a limit on stalling */

/* The stage's first step: whatever was there before lets go of the connection. */
static void enter(struct connection *c, enum close_reason reason)
{
	if (c->stage == STAGE_PROXY)
		relay_forget(c);
	if (c->stage == STAGE_LOGIN)
		login_forget(c);
	loop_disarm(&c->worker->loop, &c->deadline);
	c->reason = (uint8_t)reason;
	if (c->stage != STAGE_CLOSING)
		connection_enter(c, STAGE_CLOSING);
}

/* Takes the descriptor's events over from the stream. Returns false, and the connection is gone, when it cannot. */
static bool watch(struct connection *c, void (*ready)(struct loop_source *, uint32_t), uint32_t events)
{
	static const struct stream_events none;

	if (!c->stream.pool && connection_stream(c, &none, 1) < 0) {
		connection_destroy(c);
		return false;
	}
	c->stream.source.ready = ready;
	loop_change(&c->worker->loop, &c->stream.source, events);
	return true;
}

static struct connection *connection_of(struct loop_source *source)
{
	return container_of(source, struct connection, stream.source);
}

/* Closing resets the connection, whatever is unsent. */
static void reset_at_close(struct connection *c)
{
	struct linger at_once = {.l_onoff = 1};

	(void)setsockopt(c->stream.source.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

void closing_reset(struct connection *c, enum close_reason reason)
{
	enter(c, reason);
	reset_at_close(c);
	connection_destroy(c);
}

void closing_broken(struct connection *c, int err)
{
	switch (-err) {
	case ECONNRESET:
	case ECONNABORTED:
	case EPIPE:
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case ENETUNREACH: closing_reset(c, CLOSE_RESET); break;
	case ENOMEM:
	case ENOBUFS: closing_reset(c, CLOSE_MEMORY); break;
	case EPROTO: closing_reset(c, CLOSE_TLS); break;
	default: closing_reset(c, CLOSE_ERROR); break;
	}
}

/* The good end; but a client whose last bytes were dropped is told so by a reset, behind all that it was sent. */
static void leave(struct connection *c)
{
	if (c->swallowed)
		reset_at_close(c);
	connection_destroy(c);
}

/* Data that the client has not acknowledged; its FIN's place in the sequence does not count. */
static int unacknowledged(const struct connection *c)
{
	int n = socket_unacknowledged(c->stream.source.fd);

	return n > 1 ? n : 0;
}

static void look(struct deadline *d)
{
	struct connection *c = container_of(d, struct connection, deadline);
	uint64_t left = (uint64_t)unacknowledged(c), stall_ms = c->worker->front->config.stall_ms;

	if (left == 0 && !stream_holds(&c->stream)) {
		leave(c);
		return;
	}
	if (left != c->mark) {
		c->mark = left;
		c->progress_ms = c->worker->loop.now_ms;
	} else if (stall_ms && c->worker->loop.now_ms - c->progress_ms >= stall_ms) {
		closing_reset(c, CLOSE_STALL_TIME);
		return;
	}
	loop_arm(&c->worker->loop, d, stall_ms ? stall_ms / LOOKS + 1 : LOOK_MS);
}

/* From now on the stall limit holds. */
static void look_on(struct connection *c)
{
	c->mark = 0;
	c->progress_ms = c->worker->loop.now_ms;
	deadline_init(&c->deadline, look);
	look(&c->deadline);
}

static void acknowledged(struct loop_source *source, uint32_t events)
{
	struct connection *c = connection_of(source);

	if (events & EPOLLERR)
		closing_reset(c, CLOSE_RESET);
	else if (!unacknowledged(c))
		leave(c);
}

/*
 * Our FIN is on its way. The kernel would send on behind a closed descriptor, but gives up on a slow reader then
 * (tcp_orphan_retries), and nobody could tell; so the descriptor is kept until the client has acknowledged its bytes.
 * A socket with both directions shut is ready for ever, so only edges are watched: the ACK of our FIN is one, whether
 * the client has sent its own or not.
 */
static void await_acknowledgement(struct connection *c)
{
	if (c->peer.family == AF_UNIX || !unacknowledged(c)) {
		leave(c);
		return;
	}
	if (watch(c, acknowledged, EPOLLOUT | EPOLLET))
		look_on(c);
}

/* Returns whether the connection is still here: one that takes no FIN is broken already. */
static bool send_fin(struct connection *c)
{
	if (shutdown(c->stream.source.fd, SHUT_WR) == 0)
		return true;
	reset_at_close(c);
	connection_destroy(c);
	return false;
}

static void broken(struct stream *s, int err)
{
	closing_broken(container_of(s, struct connection, stream), err);
}

/*
 * Ends our direction: what the wrap has to say of it, which the client may be slow to take, and then the FIN; after has
 * it in sent. A client that was cut short is not told that all is well.
 */
static void end_output(struct connection *c, const struct stream_events *after)
{
	int err = c->stream.pool && !c->stream.truncated ? stream_end(&c->stream) : 0;

	if (err) {
		closing_broken(c, err);
	} else if (stream_holds(&c->stream)) {
		stream_hand_on(&c->stream, after, 0);
		look_on(c);
	} else {
		after->sent(&c->stream, 0);
	}
}

static void finished(struct stream *s, size_t len)
{
	struct connection *c = container_of(s, struct connection, stream);

	(void)len;
	loop_disarm(&c->worker->loop, &c->deadline);
	if (send_fin(c))
		await_acknowledgement(c);
}

void closing_finish(struct connection *c, enum close_reason reason)
{
	static const struct stream_events after = {.sent = finished, .broken = broken};

	enter(c, c->stream.truncated ? CLOSE_TRUNCATED : reason);
	end_output(c, &after);
}

/* A client that may still be owed echoed bytes gets them. */
static void linger_no_more(struct connection *c)
{
	loop_disarm(&c->worker->loop, &c->deadline);
	if (c->echoes)
		await_acknowledgement(c);
	else
		leave(c);
}

static void lingered(struct loop_source *source, uint32_t events)
{
	struct connection *c = connection_of(source);
	/* A unix socket knows no reset but by closing it with unread data. */
	bool resets_by_unread = c->echoes && c->peer.family == AF_UNIX;
	size_t data = 0;
	ssize_t n = resets_by_unread ? recv(source->fd, c->worker->pool.chunk, 1, MSG_DONTWAIT | MSG_PEEK)
	                             : stream_skim(&c->stream, &data);

	(void)events;
	if (n > 0 && resets_by_unread) {
		connection_destroy(c);
	} else if (n > 0) {
		c->mark += (uint64_t)n;
		c->swallowed |= c->echoes && data > 0;
		if (c->mark >= LINGER_BYTES)
			linger_no_more(c);
	} else if (n == 0) {
		loop_disarm(&c->worker->loop, &c->deadline);
		await_acknowledgement(c);
	} else if (errno != EAGAIN && errno != EINTR) { /* skimming leaves it as recv did */
		leave(c);
	}
}

static void linger_time_is_up(struct deadline *d)
{
	linger_no_more(container_of(d, struct connection, deadline));
}

static uint64_t linger_ms(enum close_reason reason)
{
	return reason == CLOSE_DRAIN || reason == CLOSE_SLOTS ? LINGER_SHORT_MS : LINGER_MS;
}

static void said(struct stream *s, size_t len)
{
	struct connection *c = container_of(s, struct connection, stream);

	(void)len;
	loop_disarm(&c->worker->loop, &c->deadline);
	if (!send_fin(c) || !watch(c, lingered, EPOLLIN))
		return;
	c->mark = 0;
	deadline_init(&c->deadline, linger_time_is_up);
	loop_arm(&c->worker->loop, &c->deadline, linger_ms((enum close_reason)c->reason));
}

/* Returns whether all of the last words are out: where they are not, the client does not listen. */
static bool say(struct connection *c, const char *text, size_t len)
{
	if (len == 0)
		return true;
	if (!c->stream.pool)
		return send(c->stream.source.fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len;
	return stream_send(&c->stream, text, len) == 0 && !stream_holds(&c->stream);
}

void closing_say(struct connection *c, enum close_reason reason, const char *text, size_t len)
{
	static const struct stream_events after = {.sent = said, .broken = broken};

	if (stream_holds(&c->stream) || !say(c, text, len)) {
		closing_reset(c, reason);
		return;
	}
	enter(c, reason);
	end_output(c, &after);
}

void closing_hurry(struct connection *c)
{
	if (c->stream.source.ready == lingered)
		loop_arm(&c->worker->loop, &c->deadline, LINGER_SHORT_MS);
}

void closing_refuse(struct connection *c, enum close_reason reason, const char *text)
{
	closing_say(c, reason, text, strlen(text));
}

void closing_turn_away(struct connection *c, enum close_reason reason, const char *text)
{
	int fd = c->stream.source.fd;

	enter(c, reason);
	(void)!send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
	shutdown(fd, SHUT_WR);
	(void)!recv(fd, c->worker->pool.chunk, LINGER_BYTES, MSG_DONTWAIT);
	connection_destroy(c);
}
