#include "echo.h"

#include <sys/ioctl.h>

#include "closing.h"
#include "socket.h"
#include "worker.h"

/* A limit on idling or stalling is looked at this many times in its length, so it may be exceeded by a quarter. */
#define LOOKS 4

static void log_bytes_moved(struct connection *c, const char *event, uint64_t bytes)
{
	struct log_line line;

	connection_log(c, &line, LOG_DEBUG, event);
	log_number(&line, "bytes", (int64_t)bytes);
	log_end(&line);
}

static bool is_debugging(const struct connection *c)
{
	return log_wants(c->worker->front->log, LOG_DEBUG);
}

static uint64_t limit_ms(const struct connection *c)
{
	const struct front *front = c->worker->front;

	return stream_holds(&c->stream) ? front->config.stall_ms : front->listener[c->listener].idle_ms;
}

/* What grows while the client is alive: what it took when bytes are held for it, else what it sent. */
static uint64_t progress_mark(const struct connection *c)
{
	if (!stream_holds(&c->stream))
		return c->bytes_in;
	int unacknowledged = socket_unacknowledged(c->stream.source.fd);
	return connection_bytes_out(c) - (uint64_t)(unacknowledged > 0 ? unacknowledged : 0);
}

/* Begins to look for progress anew; for when holding begins or ends, never for a message. */
static void watch(struct connection *c)
{
	struct loop *loop = &c->worker->loop;
	uint64_t limit = limit_ms(c);

	c->progress_ms = loop->now_ms;
	c->mark = progress_mark(c);
	if (limit)
		loop_arm(loop, &c->deadline, limit / LOOKS + 1);
	else
		loop_disarm(loop, &c->deadline);
}

static void look(struct deadline *d)
{
	struct connection *c = container_of(d, struct connection, deadline);
	uint64_t mark = progress_mark(c), limit = limit_ms(c);

	if (mark != c->mark) {
		watch(c);
	} else if (c->worker->loop.now_ms - c->progress_ms < limit) {
		loop_arm(&c->worker->loop, d, limit / LOOKS + 1);
	} else if (stream_holds(&c->stream)) {
		closing_reset(c, CLOSE_STALL_TIME);
	} else {
		closing_say(c, CLOSE_IDLE_TIME, "", 0);
	}
}

/* Sends the chunk back; returns whether the connection is still here. */
static bool echo(struct connection *c, const uint8_t *data, size_t len)
{
	c->bytes_in += len;
	counters_add(&c->worker->counters->bytes_in, len);
	if (is_debugging(c))
		log_bytes_moved(c, "recv", len);
	int err = stream_send(&c->stream, data, len);
	if (err) {
		closing_broken(c, err);
		return false;
	}
	if (is_debugging(c))
		log_bytes_moved(c, "send", len - (c->stream.held_len - c->stream.held_at));
	return true;
}

static void chunk(struct stream *s, const uint8_t *data, size_t len)
{
	struct connection *c = container_of(s, struct connection, stream);

	if (echo(c, data, len) && stream_holds(s))
		watch(c);
}

static void end(struct stream *s)
{
	closing_finish(container_of(s, struct connection, stream), CLOSE_EOF);
}

static void sent(struct stream *s, size_t len)
{
	struct connection *c = container_of(s, struct connection, stream);

	if (is_debugging(c))
		log_bytes_moved(c, "send", len);
	watch(c);
}

static void broken(struct stream *s, int err)
{
	closing_broken(container_of(s, struct connection, stream), err);
}

static const struct stream_events events = {.chunk = chunk, .end = end, .sent = sent, .broken = broken};

void echo_begin(struct connection *c, const uint8_t *rest, size_t len)
{
	struct worker *w = c->worker;

	connection_enter(c, STAGE_ECHO);
	loop_disarm(&w->loop, &c->deadline);
	deadline_init(&c->deadline, look);
	if (!c->stream.pool) {
		int err = stream_open(&c->stream, &w->pool, c->stream.source.fd, &events, 0);
		if (err) {
			closing_broken(c, err);
			return;
		}
	}
	stream_hand_on(&c->stream, &events, 0);
	stream_resume(&c->stream);
	watch(c);
	if (len > 0)
		chunk(&c->stream, rest, len);
}

/*
 * Draining. What had arrived when the drain began, up to c->mark in all, is still received and sent back; then, or when
 * the client takes the last byte that is held for it, the server ends the connection.
 */
static void drain_if_done(struct connection *c)
{
	if (!stream_holds(&c->stream) && c->bytes_in >= c->mark)
		closing_say(c, CLOSE_DRAIN, "", 0);
}

static void drain_chunk(struct stream *s, const uint8_t *data, size_t len)
{
	struct connection *c = container_of(s, struct connection, stream);

	if (echo(c, data, len))
		drain_if_done(c);
}

static void drain_sent(struct stream *s, size_t len)
{
	(void)len;
	drain_if_done(container_of(s, struct connection, stream));
}

static const struct stream_events drain_events = {
    .chunk = drain_chunk, .end = end, .sent = drain_sent, .broken = broken};

void echo_drain(struct connection *c)
{
	int arrived = 0;

	loop_disarm(&c->worker->loop, &c->deadline);
	if (ioctl(c->stream.source.fd, FIONREAD, &arrived) < 0 || arrived < 0)
		arrived = 0;
	c->mark = c->bytes_in + (uint64_t)arrived;
	stream_hand_on(&c->stream, &drain_events, 0);
	drain_if_done(c);
}
