/*
 * The front, answered by a keeper that says anything: questions, withdrawals and verdicts in any order, over a link
 * that may take no more or break. Each byte of the input is one thing that happens; a verdict takes what it needs
 * behind it. The link and the loop are stood in for here.
 */
#include "fuzz.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "channel.h"
#include "dialogue.h"
#include "keeper.h"

#define QUESTIONS 8
#define NO_FD     (1 << 30) /* closing it is an error that nobody looks at */

struct connection {
	bool waits;
	int slot;
	uint64_t id;
	struct dialogue dialogue;
};

static struct connection connections[QUESTIONS];
static const uint8_t *input;
static size_t input_len;
static bool full, broken, received; /* received: a verdict has just come, about received_id */
static uint64_t received_id;
static const struct ask *last_sent;
static struct ask sent;

static uint8_t next_byte(void)
{
	if (input_len == 0)
		return 0;
	input_len--;
	return *input++;
}

static FUZZ_PLAIN void next_bytes(void *out, size_t len)
{
	uint8_t *to = out;

	for (size_t i = 0; i < len && input_len > 0; i++)
		to[i] = next_byte();
}

int channel_send(int fd, const void *message, size_t len, int pass_fd, int dont_wait)
{
	CHECK(dont_wait && fd == NO_FD && pass_fd == -1 && len == sizeof(struct ask));
	if (full)
		return -EAGAIN;
	memcpy(&sent, message, len);
	last_sent = &sent;
	return broken ? -EPIPE : 0;
}

/* A verdict for one of the questions, or for any: with answer, name and news as the input says. */
int channel_receive(int fd, void *message, size_t len, int *pass_fd, int dont_wait)
{
	struct verdict *verdict = message;
	uint8_t which = next_byte();

	CHECK(dont_wait && fd == NO_FD && !pass_fd && len == sizeof(*verdict));
	if (broken)
		return -EPIPE;
	if (which == 0xff)
		return -EAGAIN;
	memset(verdict, 'v', sizeof(*verdict)); /* no NUL anywhere */
	if (which & 0x80)
		next_bytes(&verdict->id, sizeof(verdict->id));
	else
		verdict->id = connections[which % QUESTIONS].id;
	received = true;
	received_id = verdict->id;
	verdict->answer = next_byte();
	verdict->created = which & 0x40;
	next_bytes(verdict->name, which & 0x20 ? sizeof(verdict->name) : 5);
	next_bytes(verdict->news, which & 0x10 ? sizeof(verdict->news) : 5);
	next_bytes(verdict->token, which & 8 ? sizeof(verdict->token) : 5);
	return 0;
}

int loop_add(struct loop *loop, struct loop_source *source, uint32_t events)
{
	(void)loop;
	CHECK(source->fd == NO_FD && events == EPOLLIN);
	return 0;
}

void loop_change(struct loop *loop, struct loop_source *source, uint32_t events)
{
	(void)loop;
	CHECK(source->fd == NO_FD && events & EPOLLIN);
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
	(void)loop;
	CHECK(source->fd == NO_FD);
}

void loop_arm(struct loop *loop, struct deadline *d, uint64_t after_ms)
{
	(void)loop;
	(void)d;
	(void)after_ms;
}

void loop_disarm(struct loop *loop, struct deadline *d)
{
	(void)loop;
	(void)d;
}

/* As the front's login does it. */
static void answered(struct connection *c, const struct verdict *v)
{
	struct dialogue_reply reply;

	CHECK(c >= connections && c < connections + QUESTIONS && c->waits);
	CHECK(memchr(v->name, '\0', sizeof(v->name)) && memchr(v->news, '\0', sizeof(v->news)));
	CHECK(!received || received_id == c->id);
	c->waits = false;
	CHECK(memchr(v->token, '\0', sizeof(v->token)) && memchr(v->used, '\0', sizeof(v->used)) &&
	      memchr(v->issued, '\0', sizeof(v->issued)));
	struct dialogue_said said = {.answer = (enum dialogue_answer)v->answer,
	                             .name = v->name[0] ? v->name : NULL,
	                             .news = v->news[0] ? v->news : NULL,
	                             .token = v->token[0] ? v->token : NULL,
	                             .expires = "2026-01-02T11:04:05Z",
	                             .retry_s = v->retry_s};
	dialogue_answer(&c->dialogue, &said, &reply);
	CHECK(reply.len <= sizeof(reply.text));
	CHECK(strlen(c->dialogue.name) == c->dialogue.name_len);
}

static void ask(struct keeper *k, struct connection *c)
{
	static const uint8_t name[] = "USER anna\n", token[] = "RESUME it\n";
	struct dialogue_reply reply;
	bool resumes = (c - connections) & 1;
	struct ask question = {.kind = resumes ? ASK_RESUME : ASK_NAME};

	if (c->waits)
		return;
	dialogue_init(&c->dialogue, true, 0);
	dialogue_feed(&c->dialogue, resumes ? token : name, sizeof(name) - 1);
	CHECK(dialogue_next(&c->dialogue, &reply) == (resumes ? DIALOGUE_ASK_RESUME : DIALOGUE_ASK_NAME));
	last_sent = NULL;
	int slot = keeper_ask(k, &question, c, answered);
	if (slot < 0) {
		CHECK(k->source.fd < 0 ? slot == -ENOTCONN : broken && slot == -ENOTCONN);
		return;
	}
	CHECK(slot < KEEPER_SLOTS && (!last_sent || last_sent->id == question.id));
	for (size_t i = 0; i < QUESTIONS; i++)
		CHECK(!connections[i].waits || connections[i].slot != slot);
	c->waits = true;
	c->slot = slot;
	c->id = question.id;
}

static void withdraw(struct keeper *k, struct connection *c)
{
	if (!c->waits)
		return;
	c->waits = false;
	keeper_forget(k, c->slot);
}

static void happen(struct keeper *k)
{
	uint8_t what = next_byte();
	struct connection *c = &connections[what % QUESTIONS];

	received = false;
	switch (what / QUESTIONS % 8) {
	case 0:
	case 1: ask(k, c); break;
	case 2: withdraw(k, c); break;
	case 3: full = what & 1; break;
	case 4:
		broken = (what & 7) == 7;
		full = false;
		keeper_replace(k, NO_FD);
		break;
	case 5:
		if (k->source.fd >= 0)
			k->source.ready(&k->source, EPOLLOUT);
		break;
	case 6:
	case 7:
		if (k->source.fd >= 0)
			k->source.ready(&k->source, EPOLLIN);
		break;
	}
}

/* 0 <= unsent, free <= KEEPER_SLOTS, and every slot is free or taken. */
static FUZZ_PLAIN void check_slots(const struct keeper *k)
{
	uint32_t taken = 0, left_in_ring = 0;

	for (uint32_t i = 0; i < QUESTIONS; i++)
		taken += connections[i].waits;
	for (uint32_t i = 0; i < k->unsent_count; i++) {
		int slot = k->unsent[(k->unsent_first + i) % KEEPER_SLOTS];
		CHECK(k->slot[slot].ask);
		left_in_ring += !k->slot[slot].connection;
	}
	CHECK(k->free_count + taken + left_in_ring == KEEPER_SLOTS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct keeper k;

	keeper_init(&k, NULL);
	input = data;
	input_len = len;
	full = broken = false;
	memset(connections, 0, sizeof(connections));
	keeper_replace(&k, NO_FD);
	while (input_len > 0) {
		happen(&k);
		check_slots(&k);
	}
	received = false;
	keeper_replace(&k, NO_FD); /* whoever still waits is told so */
	for (size_t i = 0; i < QUESTIONS; i++)
		CHECK(!connections[i].waits);
	CHECK(k.free_count == KEEPER_SLOTS && k.unsent_count == 0);
	return 0;
}
