#include "connection.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tls.h"
#include "admit.h"
#include "worker.h"

struct connection *connection_create(struct worker *w, int fd, uint16_t listener, const struct peer *peer,
                                     bool over_limit)
{
	size_t sessions = w->front->listener[listener].tls;
	struct connection *c = calloc(1, sizeof(*c) + sessions * sizeof(struct tls *));

	if (!c)
		return NULL;
	c->stream.source.fd = fd;
	c->worker = w;
	c->number = w->numbered++ * w->front->config.workers + w->index + 1;
	c->started_ms = w->loop.now_ms;
	c->peer = *peer;
	c->listener = listener;
	c->over_limit = over_limit;
	c->slot = SLOTS_NONE;
	c->stage = STAGE_COUNT; /* none yet */
	c->next = &w->connections;
	c->prev = w->connections.prev;
	c->prev->next = c->next->prev = c;
	return c;
}

int connection_stream(struct connection *c, const struct stream_events *on, uint16_t room)
{
	if (!c->stream.pool)
		return stream_open(&c->stream, &c->worker->pool, c->stream.source.fd, on, room);
	stream_hand_on(&c->stream, on, room);
	stream_resume(&c->stream);
	return 0;
}

uint64_t connection_bytes_out(const struct connection *c)
{
	uint64_t kept = c->stream.held_len - c->stream.held_at + c->stream.lost;

	/* What is kept of a login is a reply's, and no echo. */
	return c->bytes_in > kept ? c->bytes_in - kept : 0;
}

void connection_enter(struct connection *c, enum counters_stage stage)
{
	struct worker_counters *counters = c->worker->counters;

	assert(c->stage == STAGE_COUNT || c->stage < stage); /* never back */
	if (stage > STAGE_LOGIN)
		admit_give_back_slot(c);
	if (c->stage != STAGE_COUNT)
		counters_add(&counters->in_stage[c->stage], (uint64_t)-1);
	counters_add(&counters->in_stage[stage], 1);
	c->stage = (uint8_t)stage;
}

void connection_log(struct connection *c, struct log_line *line, enum log_level level, const char *event)
{
	log_begin(line, c->worker->front->log, level, event);
	if (!line->log)
		return;
	char peer[PEER_TEXT_MAX];
	peer_format(&c->peer, peer);
	log_number(line, "conn", (int64_t)c->number);
	log_text(line, "peer", peer);
	if (c->user)
		log_text(line, "user", c->user);
}

void connection_log_connect(struct connection *c, const struct peer *via)
{
	struct log_line line;
	char relay[PEER_TEXT_MAX];

	connection_log(c, &line, LOG_INFO, "connect");
	log_text(&line, "listener", c->worker->front->listener[c->listener].address);
	if (via) {
		peer_format(via, relay);
		log_text(&line, "via", relay);
	}
	log_end(&line);
}

struct peer connection_local_end(const struct connection *c)
{
	struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
	socklen_t len = sizeof(address);

	(void)getsockname(c->stream.source.fd, (struct sockaddr *)&address, &len);
	return peer_from_sockaddr(&address);
}

uint64_t connection_login_left_ms(const struct connection *c)
{
	uint64_t passed_ms = c->worker->loop.now_ms - c->started_ms, limit_ms = c->worker->front->config.login_ms;

	return passed_ms < limit_ms ? limit_ms - passed_ms : 0;
}

static void log_disconnect(struct connection *c)
{
	struct log_line line;

	connection_log(c, &line, LOG_INFO, "disconnect");
	log_text(&line, "reason", counters_reason_name(c->reason));
	log_number(&line, "bytes_in", (int64_t)c->bytes_in);
	log_number(&line, "bytes_out", (int64_t)connection_bytes_out(c));
	log_number(&line, "ms", (int64_t)(c->worker->loop.now_ms - c->started_ms));
	log_end(&line);
}

void connection_destroy(struct connection *c)
{
	struct worker *w = c->worker;
	struct worker_counters *counters = w->counters;

	log_disconnect(c);
	admit_leave(c);
	counters_add(&counters->closed[c->reason], 1);
	counters_add(&counters->bytes_dropped, c->bytes_in - connection_bytes_out(c));
	counters_add(&counters->in_stage[c->stage], (uint64_t)-1);
	loop_disarm(&w->loop, &c->deadline);
	stream_close(&c->stream);
	if (w->front->listener[c->listener].tls)
		tls_close(*connection_session(c));
	close(c->stream.source.fd);
	if (c->over_limit)
		atomic_fetch_sub(&w->front->refusing, 1);
	else
		atomic_fetch_sub(&w->front->counters->open, 1);
	c->prev->next = c->next;
	c->next->prev = c->prev;
	free(c->user);
	free(c);
	worker_connection_gone(w);
}
