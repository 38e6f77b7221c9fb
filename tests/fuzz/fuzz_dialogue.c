/*
 * The server's end of the login dialogue, under any bytes cut anywhere and any answers of the keeper. The input is 16
 * bytes of answers, 16 of lengths of the pieces (both used in turn), then what the client sends.
 */
#include "fuzz.h"

#include <string.h>

#include "dialogue.h"
#include "must.h"
#include "reply.h"

#define TURN 16

struct script {
	const uint8_t *answers, *cuts; /* TURN bytes each */
	const uint8_t *text;
	size_t len;
};

/* A run: the dialogue, and what has been said and asked, as a sum that any difference changes. */
struct run {
	struct dialogue d;
	const struct script *script;
	uint64_t sum;
	size_t at; /* bytes of the text that have been fed */
	unsigned questions, users, strikes;
	size_t answers, lines; /* replies and 230s, and LFs that have been fed */
	bool was_too_long, may_pass, is_new, asked_secret, wants_token;
};

static void note(struct run *r, const void *bytes, size_t len)
{
	r->sum = fuzz_sum(r->sum, bytes, len);
}

static void note_step(struct run *r, enum dialogue_step step)
{
	uint8_t byte = (uint8_t)step;

	note(r, &byte, 1);
}

/* A reply's line is `ddd[ -]text CR LF`. Returns its length. */
static FUZZ_PLAIN size_t check_line(const char *line, size_t len)
{
	const char *lf = memchr(line, '\n', len);

	CHECK(lf && lf - line >= 5 && lf[-1] == '\r');
	size_t n = (size_t)(lf + 1 - line);
	CHECK(n <= WIRE_LINE_MAX);
	for (size_t i = 0; i < 3; i++)
		CHECK(line[i] >= '0' && line[i] <= '9');
	CHECK(line[3] == ' ' || line[3] == '-');
	for (size_t i = 4; i < n - 2; i++)
		CHECK((unsigned char)line[i] >= 0x20 && line[i] != 0x7f);
	return n;
}

static bool is_strike(const char *line)
{
	static const char *const codes[] = {"500", "501", "503", "530"};

	for (size_t i = 0; i < array_size(codes); i++) {
		if (memcmp(line, codes[i], 3) == 0)
			return true;
	}
	return false;
}

/* The client's end takes it, whole. */
static void check_client_takes(const struct dialogue_reply *reply)
{
	struct reply client;
	enum reply_event event = REPLY_BAD;

	reply_init(&client);
	for (size_t at = 0, used; at < reply->len; at += used) {
		event = reply_feed(&client, (const uint8_t *)reply->text + at, reply->len - at, &used);
		CHECK(event == REPLY_LINE || event == REPLY_DONE);
	}
	CHECK(event == REPLY_DONE);
}

static void check_reply(struct run *r, enum dialogue_step step, const struct dialogue_reply *reply)
{
	const char *last = NULL;

	CHECK(reply->len > 0 && reply->len <= sizeof(reply->text));
	for (size_t at = 0; at < reply->len;) {
		last = reply->text + at;
		CHECK(r->strikes < WIRE_STRIKES_MAX || memcmp(last, "421", 3) == 0);
		r->strikes += is_strike(last);
		r->users += memcmp(last, "534 No password", 15) == 0;
		r->wants_token |= memcmp(last, "200 The 230 will", 16) == 0;
		at += check_line(last, reply->len - at);
	}
	CHECK(last && last[3] == ' ');
	CHECK((step == DIALOGUE_REFUSE) == (memcmp(last, "421", 3) == 0));
	CHECK((step == DIALOGUE_END) == (memcmp(last, "221", 3) == 0));
	CHECK((step == DIALOGUE_IN) == (memcmp(last, "230", 3) == 0));
	CHECK(r->strikes < WIRE_STRIKES_MAX || step == DIALOGUE_REFUSE);
	CHECK(r->users <= WIRE_USERS_MAX);
	check_client_takes(reply);
	note(r, reply->text, reply->len);
}

static uint8_t next_answer(struct run *r)
{
	return r->script->answers[r->questions++ % TURN];
}

static enum dialogue_step answer(struct run *r, enum dialogue_answer answer, uint8_t how, struct dialogue_reply *reply)
{
	static char longest[WIRE_NAME_BYTES_MAX + 1], text[256 + 1];
	struct dialogue_said said = {.answer = answer, .name = "anna", .retry_s = how * UINT32_C(16777216)};

	if (!longest[0]) {
		memset(longest, 'n', sizeof(longest) - 1);
		memset(text, 'w', sizeof(text) - 1);
	}
	if (how & 0x10)
		said.name = longest;
	if (answer != ANSWER_UNKNOWN && answer != ANSWER_IN && how & 0x40)
		said.name = NULL;
	if (how & 0x20)
		said.news = text;
	if (how & 0x80)
		said.address = said.token = said.expires = text; /* longer than any */
	return dialogue_answer(&r->d, &said, reply);
}

static enum dialogue_step ask_name(struct run *r, struct dialogue_reply *reply)
{
	static const enum dialogue_answer answers[] = {ANSWER_KNOWN, ANSWER_UNKNOWN, ANSWER_BAD_NAME,
	                                               ANSWER_UNAVAILABLE, ANSWER_BUSY};

	CHECK(r->d.allows_secrets);
	CHECK(r->d.name_len > 0 && strlen(r->d.name) == r->d.name_len && r->d.name_len <= WIRE_NAME_LINE_MAX);
	r->users++;
	CHECK(r->users <= WIRE_USERS_MAX);
	note(r, r->d.name, r->d.name_len);
	uint8_t how = next_answer(r);
	enum dialogue_answer says = answers[(how & 15) % array_size(answers)];
	r->may_pass = says == ANSWER_KNOWN || says == ANSWER_UNKNOWN;
	r->is_new = says == ANSWER_UNKNOWN;
	return answer(r, says, how, reply);
}

/* Whether the bytes stand in the text just once. */
static bool is_unique(const struct script *s, const uint8_t *bytes, size_t len)
{
	const uint8_t *first = memmem(s->text, s->len, bytes, len);

	return first && !memmem(first + 1, s->len - (size_t)(first + 1 - s->text), bytes, len);
}

static void check_wiped(const struct run *r, const uint8_t *place, const uint8_t *secret, size_t len)
{
	for (size_t i = 0; i < len; i++)
		CHECK(place[i] == 0);
	/* What is left of a line that was too long stays until it is written over, and may look like anything; a token
	 * that is none may hold NULs, which look like what has been wiped. */
	if (len >= WIRE_SECRET_BYTES_MIN && !r->was_too_long && !memchr(secret, '\0', len) &&
	    is_unique(r->script, secret, len))
		CHECK(!memmem(r->d.buf, sizeof(r->d.buf), secret, len));
}

/* Notes the secret asked about, has it answered by one of the answers, and looks whether it is wiped. */
static enum dialogue_step ask(struct run *r, const enum dialogue_answer *answers, size_t count,
                              enum dialogue_answer *says, struct dialogue_reply *reply)
{
	uint8_t secret[WIRE_LINE_MAX];
	size_t len;
	const uint8_t *place = dialogue_secret(&r->d, &len);

	CHECK(r->d.allows_secrets && r->d.wants_token == r->wants_token);
	CHECK(len <= WIRE_SECRET_LINE_MAX);
	memcpy(secret, place, len);
	CHECK(!memchr(secret, '\n', len));
	note(r, secret, len);
	note(r, r->d.name, r->d.name_len);
	uint8_t how = next_answer(r);
	*says = answers[(how & 15) % count];
	enum dialogue_step step = answer(r, *says, how, reply);
	r->asked_secret = true;
	check_wiped(r, place, secret, len);
	return step;
}

static enum dialogue_step ask_secret(struct run *r, struct dialogue_reply *reply)
{
	static const enum dialogue_answer answers[] = {ANSWER_IN,          ANSWER_REFUSED,      ANSWER_BAD_SECRET,
	                                               ANSWER_UNAVAILABLE, ANSWER_BUSY,         ANSWER_BAD_NAME,
	                                               ANSWER_FULL,        ANSWER_NEW_ACCOUNTS, ANSWER_PENALTY};
	enum dialogue_answer says;
	size_t len;
	const uint8_t *secret = dialogue_secret(&r->d, &len);

	CHECK(r->may_pass && r->d.creates == r->is_new && !r->d.resumes);
	CHECK(!memchr(secret, '\0', len) && !memchr(secret, '\r', len));
	enum dialogue_step step = ask(r, answers, array_size(answers), &says, reply);
	r->may_pass = says == ANSWER_BAD_SECRET || says == ANSWER_UNAVAILABLE;
	return step;
}

/* The last five are what no keeper says: they must not do more than 451. */
static enum dialogue_step ask_resume(struct run *r, struct dialogue_reply *reply)
{
	static const enum dialogue_answer answers[] = {
	    ANSWER_IN,    ANSWER_REFUSED, ANSWER_UNAVAILABLE, ANSWER_BUSY,     ANSWER_PENALTY,
	    ANSWER_KNOWN, ANSWER_UNKNOWN, ANSWER_BAD_SECRET,  ANSWER_BAD_NAME, ANSWER_FULL};
	enum dialogue_answer says;

	CHECK(r->d.resumes && r->d.name_len == 0 && !r->d.name[0]);
	enum dialogue_step step = ask(r, answers, array_size(answers), &says, reply);
	r->may_pass = false;
	CHECK((step == DIALOGUE_IN) == (says == ANSWER_IN));
	return step;
}

/* Feeds the next piece; returns whether there was one. */
static bool feed(struct run *r, size_t piece)
{
	const struct script *s = r->script;
	size_t room = dialogue_room(&r->d);
	size_t n = s->len - r->at;

	CHECK(room > 0 && room <= WIRE_LINE_MAX);
	if (n > room)
		n = room;
	if (n > piece)
		n = piece;
	if (n == 0)
		return false;
	dialogue_feed(&r->d, s->text + r->at, n);
	for (size_t i = 0; i < n; i++)
		r->lines += s->text[r->at + i] == '\n';
	r->at += n;
	return true;
}

/* Where login ends: the rest of the text is echo data, not one byte more or less. */
static void go_in(struct run *r)
{
	const struct script *s = r->script;
	size_t len;
	const uint8_t *rest = dialogue_rest(&r->d, &len);

	CHECK(r->asked_secret);
	CHECK(len <= r->at && memcmp(rest, s->text + r->at - len, len) == 0);
	note(r, s->text + r->at - len, s->len - r->at + len);
}

/* Does what the dialogue wants, as the front does; returns whether it goes on. */
static bool follow(struct run *r, enum dialogue_step step, struct dialogue_reply *reply)
{
	if (step == DIALOGUE_ASK_NAME || step == DIALOGUE_ASK_SECRET || step == DIALOGUE_ASK_RESUME) {
		note_step(r, step);
		CHECK(reply->len == 0);
		step = step == DIALOGUE_ASK_NAME     ? ask_name(r, reply)
		       : step == DIALOGUE_ASK_SECRET ? ask_secret(r, reply)
		                                     : ask_resume(r, reply);
	}
	note_step(r, step);
	r->answers++; /* one a line, and a line that is too long has it before its end */
	CHECK(r->answers <= r->lines + r->d.discarding);
	check_reply(r, step, reply);
	if (step == DIALOGUE_IN)
		go_in(r);
	return step == DIALOGUE_REPLY || step == DIALOGUE_KEEPALIVE;
}

static uint64_t run(const struct script *script, bool cuts)
{
	struct run r = {.script = script, .sum = FUZZ_SUM_START};
	struct dialogue_reply reply;
	bool goes_on = true;
	size_t pieces = 0;

	dialogue_init(&r.d, !(script->answers[TURN - 1] & 0x80), script->answers[TURN - 2]);
	while (goes_on) {
		enum dialogue_step step = dialogue_next(&r.d, &reply);
		r.was_too_long |= r.d.discarding;
		if (step == DIALOGUE_MORE) {
			size_t piece = cuts ? script->cuts[pieces++ % TURN] + 1U : WIRE_LINE_MAX;
			goes_on = feed(&r, piece);
		} else {
			goes_on = follow(&r, step, &reply);
		}
	}
	CHECK(dialogue_next(&r.d, &reply) == DIALOGUE_MORE);
	return r.sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 2 * TURN)
		return 0;
	struct script script = {.answers = data, .cuts = data + TURN, .text = data + 2 * TURN, .len = len - 2 * TURN};
	CHECK(run(&script, true) == run(&script, false));
	return 0;
}
