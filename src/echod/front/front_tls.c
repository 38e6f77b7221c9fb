#include "front_tls.h"

#include <errno.h>
#include <string.h>

#include "closing.h"
#include "echo.h"
#include "login.h"
#include "tls.h"
#include "worker.h"

/* A ClientHello fits; what comes behind the handshake in the same read is kept. */
#define SHAKE_ROOM 4096

static struct connection *connection_of(struct stream *s)
{
	return container_of(s, struct connection, stream);
}

static void log_failure(struct connection *c, const char *why)
{
	struct log_line line;

	connection_log(c, &line, LOG_INFO, "tls_failed");
	log_text(&line, "why", why);
	log_end(&line);
}

/* ---- the wrap ---- */

static int unwrap(struct stream *s, const uint8_t *wire, size_t len, uint8_t *plain, size_t cap, size_t *got,
                  bool *more)
{
	struct tls *session = *connection_session(connection_of(s));

	if (len > 0)
		tls_feed(session, wire, len);
	enum tls_result result = tls_read(session, plain, cap, got);
	*more = tls_pending(session);
	switch (result) {
	case TLS_DONE:
	case TLS_MORE: return tls_keep(session);
	case TLS_ENDED: return 1;
	case TLS_FAILED: log_failure(connection_of(s), tls_why(session)); break;
	}
	return -EPROTO;
}

static ssize_t wrap(struct stream *s, const void *plain, size_t len, uint8_t *wire, size_t cap)
{
	struct tls_wire out = {.buf = wire, .cap = cap};
	int err = tls_write(*connection_session(connection_of(s)), plain, len, &out);

	return err ? err : (ssize_t)out.len;
}

static ssize_t end_wrap(struct stream *s, uint8_t *wire, size_t cap)
{
	struct tls_wire out = {.buf = wire, .cap = cap};
	int err = tls_end(*connection_session(connection_of(s)), &out);

	return err ? err : (ssize_t)out.len;
}

const struct stream_wrap front_tls_wrap = {
    .unwrap = unwrap, .wrap = wrap, .end = end_wrap, .wire_max = TLS_WIRE_MAX(STREAM_CHUNK_MAX)};

/* ---- the stage ---- */

static void go_on(struct connection *c)
{
	struct worker *w = c->worker;
	struct tls *session = *connection_session(c);
	int err = tls_keep(session);

	if (err) {
		closing_broken(c, err);
		return;
	}
	loop_disarm(&w->loop, &c->deadline);
	stream_wrap_in(&c->stream, &w->wrapped_pool, tls_pending(session));
	if (w->front->listener[c->listener].raw) {
		echo_begin(c, NULL, 0);
	} else {
		tls_wipe_plain(session, true); /* until the login is over */
		login_begin(c);
	}
}

/* The handshake's last message is out. */
static void last_sent(struct stream *s, size_t len)
{
	(void)len;
	go_on(connection_of(s));
}

static void chunk(struct stream *s, const uint8_t *data, size_t len);

static void end(struct stream *s)
{
	struct connection *c = connection_of(s);

	log_failure(c, "the client ended the connection");
	closing_finish(c, CLOSE_TLS);
}

static void broken(struct stream *s, int err)
{
	closing_broken(connection_of(s), err);
}

static void sent(struct stream *s, size_t len)
{
	(void)s;
	(void)len;
}

static const struct stream_events events = {.chunk = chunk, .end = end, .sent = sent, .broken = broken};
static const struct stream_events last_events = {.chunk = chunk, .end = end, .sent = last_sent, .broken = broken};

static void chunk(struct stream *s, const uint8_t *data, size_t len)
{
	struct connection *c = connection_of(s);
	const struct stream_pool *pool = &c->worker->wrapped_pool;
	struct tls_wire out = {.buf = pool->wire, .cap = front_tls_wrap.wire_max};
	struct tls *session = *connection_session(c);

	tls_feed(session, data, len);
	enum tls_result result = tls_shake(session, &out);
	int err = tls_keep(session);
	if (!err && out.len > 0)
		err = stream_send(s, out.buf, out.len);
	if (err) {
		closing_broken(c, err);
	} else if (result == TLS_FAILED) {
		log_failure(c, tls_why(session));
		closing_say(c, CLOSE_TLS, "", 0); /* behind the alert that tells the client why */
	} else if (result == TLS_DONE && !stream_holds(s)) {
		go_on(c);
	} else if (result == TLS_DONE) {
		stream_hand_on(s, &last_events, SHAKE_ROOM);
	}
}

static void too_late(struct deadline *d)
{
	struct connection *c = container_of(d, struct connection, deadline);

	log_failure(c, "no handshake in time");
	closing_reset(c, CLOSE_LOGIN_TIME);
}

void front_tls_begin(struct connection *c)
{
	struct worker *w = c->worker;
	bool raw = w->front->listener[c->listener].raw;
	uint64_t left_ms = connection_login_left_ms(c);

	connection_enter(c, STAGE_TLS);
	deadline_init(&c->deadline, too_late);
	int err = connection_stream(c, &events, SHAKE_ROOM);
	if (!err)
		err = tls_open_server(connection_session(c), w->tls, raw ? TLS_ALPN_ECHO : TLS_ALPN_LOGIN);
	if (err) {
		closing_broken(c, err);
		return;
	}
	loop_arm(&w->loop, &c->deadline, left_ms < FRONT_TLS_SHAKE_MS ? left_ms : FRONT_TLS_SHAKE_MS);
}
