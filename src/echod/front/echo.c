#include "echo.h"

#include <sys/ioctl.h>

#include "closing.h"
#include "socket.h"
#include "worker.h"

/* A limit on idling or stalling is looked at this many times in its length, so it may be exceeded by a quarter. */
#define LOOKS 8

static void log_bytes_moved(struct connection *c, const char *event, uint64_t bytes)
{
	struct log_line line;

	connection_log(c, &line, LOG_DEBUG, event);
	log_number(&line, "bytes", (int64_t)bytes);
	log_end(&line);
}

static bool is_debugging(const struct connection *c)
{
	return c->worker->front->debugging;
}

/* How often to look for progress: often enough for either limit; 0 where there is none. */
static uint64_t look_ms(const struct connection *c)
{
	const struct front *front = c->worker->front;
	uint64_t stall = front->config.stall_ms, idle = front->listener[c->listener].idle_ms;
	uint64_t least = idle && (!stall || idle < stall) ? idle : stall;

	return least ? least / LOOKS + 1 : 0;
}

static int unacknowledged(const struct connection *c)
{
	int n = socket_unacknowledged(c->stream.source.fd);

	return n > 0 ? n : 0;
}

/* What grows with all that a live client does: what it sent, and what it took. */
static uint64_t progress_mark(const struct connection *c, int unacknowledged)
{
	return c->bytes_in + connection_bytes_out(c) - (uint64_t)unacknowledged;
}

static void look_later(struct connection *c)
{
	uint64_t ms = look_ms(c);

	if (ms)
		loop_arm(&c->worker->loop, &c->deadline, ms);
}

static void end_when_echoed(struct connection *c, enum close_reason reason);

/* The only timer of the stage, and no message touches it: it looks whether anything has moved. */
static void look(struct deadline *d)
{
	struct connection *c = container_of(d, struct connection, deadline);
	const struct front *front = c->worker->front;
	int on_the_way = unacknowledged(c);
	uint64_t now_ms = c->worker->loop.now_ms, mark = progress_mark(c, on_the_way);
	bool owed = stream_holds(&c->stream) || on_the_way > 0;
	uint64_t limit = owed ? front->config.stall_ms : front->listener[c->listener].idle_ms;

	if (mark != c->mark) {
		c->mark = mark;
		c->progress_ms = now_ms;
	} else if (limit && now_ms - c->progress_ms >= limit) {
		if (owed)
			closing_reset(c, CLOSE_STALL_TIME);
		else
			end_when_echoed(c, CLOSE_IDLE_TIME);
		return;
	}
	look_later(c);
}

/* Sends the chunk back; returns whether the connection is still here. */
static bool echo(struct connection *c, const uint8_t *data, size_t len)
{
	c->bytes_in += len;
	counters_add(&c->worker->counters->bytes_in, len);
	int err = stream_send(&c->stream, data, len);
	if (is_debugging(c) && len > 0) {
		log_bytes_moved(c, "recv", len);
		log_bytes_moved(c, "send", len - (err ? c->stream.lost : c->stream.held_len));
	}
	if (err)
		closing_broken(c, err);
	return !err;
}

static void chunk(struct stream *s, const uint8_t *data, size_t len)
{
	(void)echo(container_of(s, struct connection, stream), data, len);
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
	c->echoes = true;
	loop_disarm(&w->loop, &c->deadline);
	deadline_init(&c->deadline, look);
	int err = connection_stream(c, &events, 0);
	if (err) {
		closing_broken(c, err);
		return;
	}
	c->mark = 0;
	c->progress_ms = w->loop.now_ms;
	look_later(c);
	if (len > 0)
		chunk(&c->stream, rest, len);
}

/* How many bytes that the client sent wait in the kernel. */
static int waiting(const struct connection *c)
{
	int n = 0;

	if (ioctl(c->stream.source.fd, FIONREAD, &n) < 0 || n < 0)
		return 0;
	return n;
}

/* Wire bytes are more than the data in them, so of a wrapped stream end_at is only the most that may come. */
static bool all_came(const struct connection *c)
{
	return c->bytes_in >= c->end_at || (c->stream.pool->wrap && !c->stream.pending && waiting(c) == 0);
}

/*
 * The server ends the connection. What had arrived when it decided so, up to c->end_at in all, is still received and
 * sent back; then, or when the client takes the last byte that is held for it, comes the FIN. The limit on stalling
 * holds on.
 */
static void end_if_echoed(struct connection *c)
{
	if (!stream_holds(&c->stream) && all_came(c))
		closing_say(c, (enum close_reason)c->reason, "", 0);
}

static void last_chunk(struct stream *s, const uint8_t *data, size_t len)
{
	struct connection *c = container_of(s, struct connection, stream);

	if (echo(c, data, len))
		end_if_echoed(c);
}

static void last_sent(struct stream *s, size_t len)
{
	(void)len;
	end_if_echoed(container_of(s, struct connection, stream));
}

static const struct stream_events last_events = {.chunk = last_chunk, .end = end, .sent = last_sent, .broken = broken};

static void end_when_echoed(struct connection *c, enum close_reason reason)
{
	/* Of a wrapped stream a record may be half here. */
	c->end_at = c->bytes_in + (uint64_t)waiting(c) + (c->stream.pool->wrap ? STREAM_WRAP_SLACK : 0);
	c->reason = (uint8_t)reason;
	stream_hand_on(&c->stream, &last_events, 0);
	look_later(c);
	end_if_echoed(c);
}

void echo_drain(struct connection *c)
{
	end_when_echoed(c, CLOSE_DRAIN);
}
