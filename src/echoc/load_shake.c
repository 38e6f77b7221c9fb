/* The TLS handshake of a connection of a load. Who is at the other end was settled before, on the one that was tried.
 */
#include <errno.h>

#include "load_thread.h"
#include "login.h"
#include "words.h"

static void shake(struct load_connection *c)
{
	struct load_thread *t = c->thread;
	int err = channel_shake(&c->channel);

	if (err == -EAGAIN) {
		loop_change(&t->loop, &c->source, channel_unsent(&c->channel) ? EPOLLIN | EPOLLOUT : EPOLLIN);
		return;
	}
	if (err) {
		load_connection_fail(c, err == CHANNEL_FAILED ? LOAD_ERROR_TLS : LOAD_ERROR_CONNECT, err, NULL);
		return;
	}
	if (!identity_matches(t->plan->identity, c->channel.tls)) {
		load_connection_fail(c, LOAD_ERROR_TLS, 0, _("the server's key is another one than at first"));
		return;
	}
	loop_change(&t->loop, &c->source, EPOLLIN);
	load_connection_connected(c);
}

static void ready(struct loop_source *source, uint32_t events)
{
	(void)events;
	shake(container_of(source, struct load_connection, source));
}

void load_shake_start(struct load_connection *c)
{
	const struct load_plan *plan = c->thread->plan;

	c->stage = LOAD_SHAKING;
	c->source.ready = ready;
	int err = channel_start_tls(&c->channel, plan->tls, &c->thread->room, plan->host, plan->raw);
	if (err) {
		load_connection_fail(c, LOAD_ERROR_TLS, err, NULL);
		return;
	}
	loop_arm(&c->thread->loop, &c->deadline, LOGIN_HANDSHAKE_MS);
	shake(c);
}
