#include "relay.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "admit.h"
#include "closing.h"
#include "proxy.h"
#include "worker.h"

/* invariant: len <= sizeof buf, and buf's first len bytes have been received and are a header's */
struct relay {
	uint16_t len;
	uint8_t buf[PROXY_HEADER_MAX];
};

void relay_forget(struct connection *c)
{
	if (!c->relay)
		return;
	loop_remove(&c->worker->loop, &c->stream.source);
	c->stream.source.ready = NULL;
	free(c->relay);
	c->relay = NULL;
}

static void refuse(struct connection *c, const char *why)
{
	struct log_line line;

	connection_log(c, &line, LOG_WARNING, "proxy_header");
	log_text(&line, "listener", c->worker->front->listener[c->listener].address);
	log_text(&line, "why", why);
	log_end(&line);
	closing_reset(c, CLOSE_PROXY);
}

static void too_late(struct deadline *d)
{
	refuse(container_of(d, struct connection, deadline), "no whole PROXY header came in time");
}

static struct peer peer_of(enum proxy_kind kind, const struct proxy_end *end)
{
	struct sockaddr_storage s = {.ss_family = kind == PROXY_TCP4 ? AF_INET : AF_INET6};

	if (kind == PROXY_TCP4) {
		struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&s;
		v4->sin_port = htons(end->port);
		memcpy(&v4->sin_addr, end->ip, sizeof(v4->sin_addr));
	} else {
		struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&s;
		v6->sin6_port = htons(end->port);
		memcpy(&v6->sin6_addr, end->ip, sizeof(v6->sin6_addr));
	}
	return peer_from_sockaddr(&s);
}

/* An address of zeros is nobody's: two of them are not one machine. */
static bool is_somebody(const struct peer *p)
{
	static const uint8_t nobody[sizeof(p->ip)];

	return memcmp(p->ip, nobody, sizeof(nobody)) != 0;
}

static void go_on(struct connection *c, const struct proxy_header *h)
{
	struct peer via = c->peer, local;

	loop_disarm(&c->worker->loop, &c->deadline);
	relay_forget(c);
	switch (h->kind) {
	case PROXY_LOCAL:
		local = connection_local_end(c);
		admit_begin(c, &local, &via);
		break;
	case PROXY_UNKNOWN: admit_begin(c, NULL, &via); break;
	case PROXY_TCP4:
	case PROXY_TCP6:
		c->peer = peer_of(h->kind, &h->source);
		local = peer_of(h->kind, &h->destination);
		admit_begin(c, is_somebody(&local) ? &local : NULL, &via);
		break;
	}
}

/* Takes what was only looked at. */
static bool take(struct connection *c, size_t len)
{
	struct relay *r = c->relay;

	if (recv(c->stream.source.fd, r->buf + r->len, len, MSG_DONTWAIT) != (ssize_t)len)
		return false;
	r->len = (uint16_t)(r->len + len);
	return true;
}

static void parse(struct connection *c, size_t looked_at)
{
	struct relay *r = c->relay;
	struct proxy_header header;
	const char *why = NULL;

	switch (proxy_parse(r->buf, r->len + looked_at, &header, &why)) {
	case PROXY_MORE: /* all of it is the header's; left there, it would be ready for ever */
		if (!take(c, looked_at))
			closing_reset(c, CLOSE_ERROR);
		break;
	case PROXY_DONE: /* what stands behind it is not ours */
		assert(header.len > r->len);
		if (take(c, header.len - r->len))
			go_on(c, &header);
		else
			closing_reset(c, CLOSE_ERROR);
		break;
	case PROXY_BAD: refuse(c, why); break;
	}
}

static void header_ready(struct loop_source *source, uint32_t events)
{
	struct connection *c = container_of(source, struct connection, stream.source);
	struct relay *r = c->relay;
	ssize_t n = recv(source->fd, r->buf + r->len, sizeof(r->buf) - r->len, MSG_PEEK | MSG_DONTWAIT);

	(void)events;
	if (n > 0)
		parse(c, (size_t)n);
	else if (n == 0 && r->len > 0)
		refuse(c, "it ended within its PROXY header");
	else if (n == 0) /* a look whether we are there, as many relays do */
		closing_finish(c, CLOSE_EOF);
	else if (errno != EAGAIN && errno != EINTR)
		closing_broken(c, -errno);
}

void relay_begin(struct connection *c)
{
	struct worker *w = c->worker;
	uint64_t left_ms = connection_login_left_ms(c);

	connection_enter(c, STAGE_PROXY);
	deadline_init(&c->deadline, too_late);
	c->stream.source.ready = header_ready;
	c->relay = calloc(1, sizeof(*c->relay));
	int err = c->relay ? loop_add(&w->loop, &c->stream.source, EPOLLIN) : -ENOMEM;
	if (err) {
		free(c->relay);
		c->relay = NULL;
		closing_broken(c, err);
		return;
	}
	loop_arm(&w->loop, &c->deadline, left_ms < RELAY_MS ? left_ms : RELAY_MS);
}
