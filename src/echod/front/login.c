#include "login.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "closing.h"
#include "dialogue.h"
#include "echo.h"
#include "socket.h"
#include "tls.h"
#include "worker.h"

#define NO_SLOT (-1)

struct login {
	struct dialogue dialogue;
	struct connection *connection;
	int slot;               /* of the question under way, or NO_SLOT */
	bool in;                /* the 230 is on its way out */
	bool path_safe;         /* encrypted, or within this machine */
	bool is_local;          /* the client is on this machine */
	enum close_reason why;  /* what a 421 ends the connection for */
	struct deadline delay;  /* until the verdict is told */
	struct verdict verdict; /* meanwhile */
};

static void run(struct connection *c);

static void chunk(struct stream *s, const uint8_t *data, size_t len)
{
	struct connection *c = container_of(s, struct connection, stream);

	dialogue_feed(&c->login->dialogue, data, len);
	explicit_bzero(s->pool->chunk, len); /* it may hold a password */
	run(c);
}

/* What was said has been worked through: a line without an end is no command. */
static void end(struct stream *s)
{
	closing_finish(container_of(s, struct connection, stream), CLOSE_EOF);
}

static void broken(struct stream *s, int err)
{
	closing_broken(container_of(s, struct connection, stream), err);
}

static void go_in(struct connection *c)
{
	struct login *login = c->login;
	size_t len;
	const uint8_t *rest = dialogue_rest(&login->dialogue, &len);

	if (c->worker->front->listener[c->listener].tls)
		tls_wipe_plain(*connection_session(c), false); /* no more secrets come */
	echo_begin(c, rest, len); /* takes the place of c->login, and may end the connection */
	explicit_bzero(login, sizeof(*login));
	free(login);
}

static void sent(struct stream *s, size_t len)
{
	struct connection *c = container_of(s, struct connection, stream);

	(void)len;
	if (c->login->in)
		go_in(c);
	else
		run(c);
}

static const struct stream_events events = {.chunk = chunk, .end = end, .sent = sent, .broken = broken};

/* Returns whether the connection is still there and all of the reply is out. */
static bool reply_out(struct connection *c, const struct dialogue_reply *reply)
{
	int err = stream_send(&c->stream, reply->text, reply->len);

	if (err) {
		closing_broken(c, err);
		return false;
	}
	return !stream_holds(&c->stream);
}

static void log_login(struct connection *c, const struct verdict *v)
{
	struct log_line line;

	connection_log(c, &line, LOG_INFO, "login");
	log_text(&line, "how", v->created ? "registered" : c->login->dialogue.resumes ? "token" : "password");
	if (v->used[0])
		log_text(&line, "token", v->used);
	if (v->issued[0])
		log_text(&line, "issued", v->issued);
	log_end(&line);
}

static void log_failure(struct connection *c, const struct verdict *v)
{
	const struct dialogue *d = &c->login->dialogue;
	struct log_line line;

	connection_log(c, &line, LOG_INFO, "login_failed");
	if (!d->resumes)
		log_text(&line, "name", d->name);
	else
		log_text(&line, "token", v->used[0] ? v->used : "none");
	log_end(&line);
}

/* What a 421 with this answer ends the connection for. */
static enum close_reason reason_of(enum dialogue_answer answer)
{
	switch (answer) {
	case ANSWER_BUSY: return CLOSE_BUSY;
	case ANSWER_NEW_ACCOUNTS: return CLOSE_ACCOUNTS;
	case ANSWER_PENALTY: return CLOSE_PENALTY;
	case ANSWER_KNOWN:
	case ANSWER_UNKNOWN:
	case ANSWER_BAD_NAME:
	case ANSWER_IN:
	case ANSWER_REFUSED:
	case ANSWER_BAD_SECRET:
	case ANSWER_UNAVAILABLE:
	case ANSWER_FULL: return CLOSE_ERRORS;
	}
	return CLOSE_ERRORS;
}

static const char *text_or_none(const char *text)
{
	return text[0] ? text : NULL;
}

/* Does what the dialogue wants; returns whether the connection is still here and the dialogue may go on at once. */
static bool follow(struct connection *c, enum dialogue_step step, const struct dialogue_reply *reply);

/* The account's name is kept, and the login noted. Returns whether the connection is still here. */
static bool let_in(struct connection *c, const struct verdict *v)
{
	c->user = strdup(c->login->dialogue.name);
	if (!c->user) {
		closing_broken(c, -ENOMEM);
		return false;
	}
	counters_add(&c->worker->counters->logins, 1);
	log_login(c, v);
	return true;
}

/* Tells the verdict, and goes on from there. */
static void conclude(struct connection *c, const struct verdict *v)
{
	struct login *login = c->login;
	char address[PEER_TEXT_MAX], expires[CLOCK_TEXT_MAX];
	struct dialogue_reply reply;
	struct dialogue_said said = {.answer = v->answer <= DIALOGUE_ANSWER_LAST ? (enum dialogue_answer)v->answer
	                                                                         : ANSWER_UNAVAILABLE,
	                             .name = text_or_none(v->name),
	                             .news = text_or_none(v->news),
	                             .token = text_or_none(v->token),
	                             .retry_s = v->retry_s};

	if (!login->is_local) { /* who is on this machine knows where from */
		peer_format(&c->peer, address);
		said.address = address;
	}
	clock_format_s(expires, v->expires_us);
	said.expires = expires;
	login->why = reason_of(said.answer);
	if (said.answer == ANSWER_REFUSED)
		log_failure(c, v);
	enum dialogue_step step = dialogue_answer(&login->dialogue, &said, &reply);
	if ((step != DIALOGUE_IN || let_in(c, v)) && follow(c, step, &reply))
		run(c);
	explicit_bzero(&reply, sizeof(reply)); /* it may hold a token; what waits in the stream stays there till sent */
}

static void delay_is_over(struct deadline *d)
{
	struct login *login = container_of(d, struct login, delay);
	struct verdict verdict = login->verdict;

	explicit_bzero(&login->verdict, sizeof(login->verdict));
	conclude(login->connection, &verdict);
	explicit_bzero(&verdict, sizeof(verdict));
}

static void answered(struct connection *c, const struct verdict *v)
{
	c->login->slot = NO_SLOT;
	if (v->delay_ms == 0) {
		conclude(c, v);
		return;
	}
	c->login->verdict = *v;
	loop_arm(&c->worker->loop, &c->login->delay, v->delay_ms);
}

/* Asks the keeper; returns what to answer when it cannot be asked, or -1. */
static int ask_keeper(struct connection *c, enum ask_kind kind)
{
	const struct dialogue *d = &c->login->dialogue;
	struct ask ask = {.kind = (uint32_t)kind,
	                  .listener = c->listener,
	                  .creates = d->creates,
	                  .wants_token = d->wants_token,
	                  .path_safe = c->login->path_safe,
	                  .is_local = c->login->is_local,
	                  .name_len = d->name_len,
	                  .peer = c->peer};
	size_t len;

	memcpy(ask.name, d->name, d->name_len);
	if (kind != ASK_NAME) {
		const uint8_t *secret = dialogue_secret(d, &len);
		ask.secret_len = (uint16_t)len;
		memcpy(ask.secret, secret, len);
	}
	int slot = keeper_ask(&c->worker->keeper, &ask, c, answered);
	explicit_bzero(&ask, sizeof(ask));
	if (slot < 0)
		return slot == -EAGAIN ? ANSWER_BUSY : ANSWER_UNAVAILABLE;
	c->login->slot = slot;
	stream_pause(&c->stream);
	return -1;
}

static bool ask(struct connection *c, enum ask_kind kind)
{
	struct dialogue_reply reply;
	int answer = ask_keeper(c, kind);

	if (answer < 0)
		return false;
	struct dialogue_said said = {.answer = (enum dialogue_answer)answer};
	c->login->why = reason_of(said.answer);
	return follow(c, dialogue_answer(&c->login->dialogue, &said, &reply), &reply);
}

static bool want_more(struct connection *c)
{
	stream_hand_on(&c->stream, &events, (uint16_t)dialogue_room(&c->login->dialogue));
	stream_resume(&c->stream);
	return false;
}

static bool follow(struct connection *c, enum dialogue_step step, const struct dialogue_reply *reply)
{
	switch (step) {
	case DIALOGUE_MORE: return want_more(c);
	case DIALOGUE_KEEPALIVE: socket_set_keepalive(c->stream.source.fd, 0); return reply_out(c, reply);
	case DIALOGUE_REPLY: return reply_out(c, reply);
	case DIALOGUE_ASK_NAME: return ask(c, ASK_NAME);
	case DIALOGUE_ASK_SECRET: return ask(c, ASK_SECRET);
	case DIALOGUE_ASK_RESUME: return ask(c, ASK_RESUME);
	case DIALOGUE_IN:
		c->login->in = true;
		if (reply_out(c, reply))
			go_in(c);
		return false;
	case DIALOGUE_END: closing_say(c, CLOSE_QUIT, reply->text, reply->len); return false;
	case DIALOGUE_REFUSE: closing_say(c, c->login->why, reply->text, reply->len); return false;
	}
	return false;
}

static void run(struct connection *c)
{
	struct dialogue_reply reply;

	while (follow(c, dialogue_next(&c->login->dialogue, &reply), &reply))
		;
}

static void too_late(struct deadline *d)
{
	closing_refuse(container_of(d, struct connection, deadline), CLOSE_LOGIN_TIME,
	               "421 No login in time: try again\r\n");
}

void login_drain(struct connection *c)
{
	closing_refuse(c, CLOSE_DRAIN, CLOSING_DRAIN_REPLY);
}

void login_forget(struct connection *c)
{
	struct login *login = c->login;

	if (!login)
		return;
	loop_disarm(&c->worker->loop, &login->delay);
	if (login->slot != NO_SLOT)
		keeper_forget(&c->worker->keeper, login->slot);
	explicit_bzero(login, sizeof(*login));
	free(login);
	c->login = NULL;
}

void login_begin(struct connection *c)
{
	struct front *front = c->worker->front;
	struct dialogue_reply greeting;
	int err;

	connection_enter(c, STAGE_LOGIN);
	deadline_init(&c->deadline, too_late);
	err = connection_stream(c, &events, 1);
	if (!err && !(c->login = calloc(1, sizeof(*c->login))))
		err = -ENOMEM;
	if (err) {
		closing_broken(c, err);
		return;
	}
	c->login->connection = c;
	c->login->slot = NO_SLOT;
	c->login->why = CLOSE_ERRORS;
	c->login->is_local = c->path_is_local;
	c->login->path_safe = c->path_is_local || front->listener[c->listener].tls;
	deadline_init(&c->login->delay, delay_is_over);
	dialogue_init(&c->login->dialogue, c->login->path_safe || front->config.allow_cleartext,
	              (uint32_t)((front->listener[c->listener].idle_ms + 999) / 1000));
	loop_arm(&c->worker->loop, &c->deadline, connection_login_left_ms(c));
	dialogue_greet(front->host, &greeting);
	if (reply_out(c, &greeting))
		want_more(c);
}
