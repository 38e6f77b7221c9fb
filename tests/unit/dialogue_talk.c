#include "dialogue_talk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "must.h"

static void put(struct talk *t, const void *bytes, size_t len)
{
	while (t->out_cap < t->out_len + len) {
		t->out_cap = t->out_cap ? 2 * t->out_cap : 4096;
		t->out = realloc(t->out, t->out_cap);
		assert_non_null(t->out);
	}
	memcpy(t->out + t->out_len, bytes, len);
	t->out_len += len;
}

static void put_text(struct talk *t, const char *text)
{
	put(t, text, strlen(text));
}

static void put_reply(struct talk *t, const struct dialogue_reply *reply)
{
	assert_true(reply->len > 0 && reply->len <= sizeof(reply->text));
	assert_memory_equal(reply->text + reply->len - 2, "\r\n", 2);
	put(t, reply->text, reply->len);
}

static bool name_begins(const struct talk *t, const char *with)
{
	return strncmp(t->dialogue.name, with, strlen(with)) == 0;
}

static enum dialogue_answer judge_name(struct talk *t)
{
	const struct dialogue *d = &t->dialogue;

	if (name_begins(t, "busy"))
		return ANSWER_BUSY;
	if (name_begins(t, "down") && !t->was_down) {
		t->was_down = true;
		return ANSWER_UNAVAILABLE;
	}
	if (d->name_len > WIRE_NAME_BYTES_MAX || strpbrk(d->name, "\r \x1b"))
		return ANSWER_BAD_NAME;
	return name_begins(t, "new") ? ANSWER_UNKNOWN : ANSWER_KNOWN;
}

/* The keeper writes one of the names another way than it was given. */
static enum dialogue_step answer_name(struct talk *t, struct dialogue_reply *reply)
{
	struct dialogue *d = &t->dialogue;
	const char *written = strcmp(d->name, "e\xcc\x81va") == 0 ? "\xc3\xa9va" : NULL;

	put_text(t, "[name ");
	put(t, d->name, d->name_len);
	put_text(t, "]");
	assert_int_equal(d->name[d->name_len], '\0');
	return dialogue_answer(d, &(struct dialogue_said){.answer = judge_name(t), .name = written}, reply);
}

static enum dialogue_answer judge_secret(struct talk *t, const uint8_t *secret, size_t len)
{
	static const char right[] = "correct horse";
	bool creates = t->dialogue.creates;

	if (name_begins(t, "late") && !t->was_down) {
		t->was_down = true;
		return ANSWER_UNAVAILABLE;
	}
	if (name_begins(t, "newpenal"))
		return ANSWER_PENALTY;
	if (name_begins(t, "newfull"))
		return ANSWER_FULL;
	if (name_begins(t, "newmany"))
		return ANSWER_NEW_ACCOUNTS;
	if (creates && (len < WIRE_SECRET_BYTES_MIN || len > WIRE_SECRET_BYTES_MAX))
		return ANSWER_BAD_SECRET;
	if (creates || name_begins(t, "any") || (len == strlen(right) && memcmp(secret, right, len) == 0))
		return ANSWER_IN;
	return ANSWER_REFUSED;
}

/* The answer to a RESUME: its name comes from the keeper. */
static struct dialogue_said judge_token(struct talk *t, const uint8_t *token, size_t len)
{
	if (t->dialogue.name_len > 0)
		return (struct dialogue_said){.answer = ANSWER_BUSY}; /* it must not be a USER line's */
	if (len == 4 && memcmp(token, "down", 4) == 0)
		return (struct dialogue_said){.answer = ANSWER_UNAVAILABLE};
	if (len == 4 && memcmp(token, "busy", 4) == 0)
		return (struct dialogue_said){.answer = ANSWER_BUSY};
	if (len == 6 && memcmp(token, "nobody", 6) == 0) /* no keeper of ours says this */
		return (struct dialogue_said){.answer = ANSWER_IN};
	if (len == 4 && memcmp(token, "mad!", 4) == 0)
		return (struct dialogue_said){.answer = ANSWER_KNOWN, .name = "anna"};
	if (len != strlen(TOKEN_1) || memcmp(token, TOKEN_1, len) != 0)
		return (struct dialogue_said){.answer = ANSWER_REFUSED};
	return (struct dialogue_said){
	    .answer = ANSWER_IN, .name = "anna", .news = NEWS, .token = TOKEN_2, .expires = EXPIRES};
}

static enum dialogue_step answer_secret(struct talk *t, bool resumes, struct dialogue_reply *reply)
{
	size_t len, wiped_len;
	uint8_t secret[WIRE_SECRET_LINE_MAX];
	const uint8_t *given = dialogue_secret(&t->dialogue, &len);

	assert_true(len <= sizeof(secret));
	memcpy(secret, given, len);
	put_text(t, resumes ? "[resume " : "[secret ");
	put(t, secret, len);
	put_text(t, "]");
	struct dialogue_said said = {.news = name_begins(t, "anna") ? NEWS : NULL, .retry_s = 17};
	if (t->dialogue.wants_token) {
		said.token = TOKEN_2;
		said.expires = EXPIRES;
	}
	if (resumes)
		said = judge_token(t, secret, len);
	else
		said.answer = judge_secret(t, secret, len);
	enum dialogue_step step = dialogue_answer(&t->dialogue, &said, reply);
	dialogue_secret(&t->dialogue, &wiped_len);
	assert_int_equal(wiped_len, 0);
	for (size_t i = 0; t->checks_wiping && i + 4 <= len; i++) { /* not even four of its bytes are left */
		if (memmem(&t->dialogue, sizeof(t->dialogue), secret + i, 4))
			fail_msg("byte %zu and on of the secret is left in the dialogue after its answer", i);
	}
	return step;
}

static void finish(struct talk *t, const struct dialogue_reply *reply, const char *how)
{
	put_reply(t, reply);
	put_text(t, how);
	t->is_over = true;
}

/* Does what the dialogue wants; returns whether it may be asked again. */
static bool follow(struct talk *t, enum dialogue_step step, struct dialogue_reply *reply)
{
	size_t len;

	switch (step) {
	case DIALOGUE_MORE: assert_int_equal(reply->len, 0); return false;
	case DIALOGUE_KEEPALIVE:
		put_text(t, "[keepalive off]");
		put_reply(t, reply);
		return true;
	case DIALOGUE_REPLY: put_reply(t, reply); return true;
	case DIALOGUE_ASK_NAME: return follow(t, answer_name(t, reply), reply);
	case DIALOGUE_ASK_SECRET: return follow(t, answer_secret(t, false, reply), reply);
	case DIALOGUE_ASK_RESUME: return follow(t, answer_secret(t, true, reply), reply);
	case DIALOGUE_END: finish(t, reply, "[end]"); return false;
	case DIALOGUE_REFUSE: finish(t, reply, "[refuse]"); return false;
	case DIALOGUE_IN:
		put_reply(t, reply);
		put_text(t, "[in]");
		t->is_in = true;
		const uint8_t *rest = dialogue_rest(&t->dialogue, &len);
		put(t, rest, len);
		return false;
	}
	fail();
	return false;
}

void talk_feed(struct talk *t, const uint8_t *data, size_t len)
{
	struct dialogue_reply reply;

	while (len > 0 && !t->is_in && !t->is_over) {
		size_t room = dialogue_room(&t->dialogue);
		assert_true(room > 0);
		size_t n = len < room ? len : room;
		dialogue_feed(&t->dialogue, data, n);
		data += n;
		len -= n;
		while (follow(t, dialogue_next(&t->dialogue, &reply), &reply))
			;
	}
	if (t->is_in)
		put(t, data, len);
}

void talk_begin(struct talk *t, const struct transcript *script)
{
	free(t->out);
	*t = (struct talk){.checks_wiping = script->checks_wiping};
	dialogue_init(&t->dialogue, !script->no_secrets, 300);
}

static void expect(const struct talk *t, const struct transcript *script, size_t cut, size_t cut2)
{
	if (t->out_len == script->out_len && (t->out_len == 0 || memcmp(t->out, script->out, t->out_len) == 0))
		return;
	print_error("cut at %zu and %zu of: %.*s\nsaid:   %.*s\nwanted: %.*s\n", cut, cut2, (int)script->in_len,
	            (const char *)script->in, (int)t->out_len, t->out, (int)script->out_len, (const char *)script->out);
	fail();
}

void talk_cut_in_three(struct talk *t, const struct transcript *script, size_t cut, size_t cut2)
{
	const uint8_t *in = script->in;

	talk_begin(t, script);
	talk_feed(t, in, cut);
	talk_feed(t, in + cut, cut2 - cut);
	talk_feed(t, in + cut2, script->in_len - cut2);
	expect(t, script, cut, cut2);
}

static uint64_t random_state;

size_t talk_below(size_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % n;
}

void talk_byte_by_byte(struct talk *t, const struct transcript *script)
{
	talk_begin(t, script);
	for (size_t i = 0; i < script->in_len; i++)
		talk_feed(t, (const uint8_t *)script->in + i, 1);
	expect(t, script, 1, 1);
}

/* Cut in two everywhere, or, where that is too often, near both ends and at some places between. */
void talk_play(const struct transcript *script)
{
	struct talk t = {0};
	size_t len = script->in_len;

	for (size_t cut = 0; cut <= len; cut++) {
		talk_cut_in_three(&t, script, cut, len);
		if (len > 10 * WIRE_LINE_MAX && cut > 2 * WIRE_LINE_MAX && cut < len - 2 * WIRE_LINE_MAX)
			cut += talk_below(len / 20);
	}
	for (unsigned i = 0; i < 100; i++) {
		size_t cut = talk_below(len + 1);
		talk_cut_in_three(&t, script, cut, cut + talk_below(len - cut + 1));
	}
	talk_byte_by_byte(&t, script);
	free(t.out);
}

void talk_play_all(const struct transcript *script, size_t count)
{
	for (size_t i = 0; i < count; i++)
		talk_play(&script[i]);
}

void talk_seed(void)
{
	const char *given = getenv("TEST_SEED");

	random_state = (given ? strtoull(given, NULL, 0) : clock_now_ns()) | 1;
	printf("TEST_SEED=%llu\n", (unsigned long long)random_state);
}
