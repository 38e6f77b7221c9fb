/* The login of a connection of a load: wire/reply on the loop. The name and the password have been tried before. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load_thread.h"
#include "login.h"
#include "reply.h"
#include "words.h"

enum login_step { STEP_GREETING, STEP_USER, STEP_PASS };

struct load_login {
	enum login_step step;
	struct reply reply;
};

void load_login_free(struct load_connection *c)
{
	free(c->login);
	c->login = NULL;
}

static void refuse(struct load_connection *c, enum load_error otherwise)
{
	const struct reply *r = &c->login->reply;
	enum load_error kind = r->code == 421 || r->code == 451 ? LOAD_ERROR_BUSY : otherwise;
	char why[128];

	snprintf(why, sizeof(why), _("the server answered %u"), r->code);
	load_connection_fail(c, kind, 0, why);
}

/* A line is a few hundred bytes and nothing else is on its way, so the kernel takes it whole. */
static void say(struct load_connection *c, const char *word, const char *argument, size_t len, enum login_step next)
{
	char line[WIRE_LINE_MAX];
	size_t n = strlen(word);

	memcpy(line, word, n);
	memcpy(line + n, argument, len);
	line[n + len] = '\n';
	ssize_t sent = channel_send(&c->channel, line, n + len + 1);
	explicit_bzero(line, sizeof(line));
	if (sent != (ssize_t)(n + len + 1) || channel_unsent(&c->channel)) {
		load_connection_fail(c, LOAD_ERROR_RESET, sent < 0 ? (int)sent : -ENOBUFS, NULL);
		return;
	}
	c->login->step = next;
	loop_arm(&c->thread->loop, &c->deadline, LOGIN_REPLY_MS);
}

static void greeted(struct load_connection *c)
{
	const struct load_plan *plan = c->thread->plan;

	if (c->login->reply.code != 220)
		refuse(c, LOAD_ERROR_PROTOCOL);
	else if (!plan->tls && !plan->may_leave_machine && login_path_is_local(c->source.fd) != 1)
		load_connection_fail(c, LOAD_ERROR_LOGIN, 0, _("the way leaves this machine unencrypted"));
	else
		say(c, "USER ", plan->user, strlen(plan->user), STEP_USER);
}

static void replied(struct load_connection *c)
{
	const struct load_plan *plan = c->thread->plan;
	unsigned code = c->login->reply.code;

	switch (c->login->step) {
	case STEP_GREETING: greeted(c); return;
	case STEP_USER:
		if (code == 331 || (code == 332 && plan->may_create))
			say(c, "PASS ", plan->secret->text, plan->secret->len, STEP_PASS);
		else
			refuse(c, LOAD_ERROR_LOGIN);
		return;
	case STEP_PASS:
		if (code == 230)
			load_connection_enter(c);
		else
			refuse(c, LOAD_ERROR_LOGIN);
		return;
	}
}

/* What stands behind the 230 was never sent by us. */
static void take(struct load_connection *c, const uint8_t *data, size_t len)
{
	size_t used;

	while (len > 0 && c->stage == LOAD_LOGIN) {
		enum reply_event event = reply_feed(&c->login->reply, data, len, &used);
		data += used;
		len -= used;
		if (event == REPLY_BAD)
			load_connection_fail(c, LOAD_ERROR_PROTOCOL, 0, _("this is not the login's dialogue"));
		else if (event == REPLY_DONE)
			replied(c);
	}
	if (c->stage == LOAD_ECHO) {
		c->thread->measures.counters.bytes_received += len;
		c->thread->measures.counters.bytes_damaged += len;
	}
}

static void receive(struct load_connection *c)
{
	uint8_t data[WIRE_LINE_MAX];
	ssize_t n = channel_receive(&c->channel, data, sizeof(data));

	if (n == -EAGAIN)
		return;
	if (n <= 0)
		load_connection_fail(c, n == 0 ? LOAD_ERROR_ENDED : load_connection_kind((int)n), (int)n, NULL);
	else
		take(c, data, (size_t)n);
}

static void ready(struct loop_source *source, uint32_t events)
{
	struct load_connection *c = container_of(source, struct load_connection, source);

	(void)events;
	do {
		receive(c);
	} while (c->stage == LOAD_LOGIN && channel_pending(&c->channel));
}

void load_login_start(struct load_connection *c)
{
	c->stage = LOAD_LOGIN;
	c->source.ready = ready;
	c->login = calloc(1, sizeof(*c->login));
	if (!c->login) {
		load_connection_fail(c, LOAD_ERROR_CONNECT, -ENOMEM, NULL);
		return;
	}
	reply_init(&c->login->reply);
	loop_arm(&c->thread->loop, &c->deadline, LOGIN_GREETING_MS);
	if (channel_pending(&c->channel)) /* it came with the handshake's end */
		ready(&c->source, 0);
}
