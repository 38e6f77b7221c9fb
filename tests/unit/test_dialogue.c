/*
 * The server's end of the login dialogue. However the network cuts what a client sends, the dialogue has to be the
 * same: each transcript is fed whole, cut in two at every byte, in three at sampled places, and byte by byte.
 */
#include "dialogue.h"

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

/* The replies, which are stable text (PROTOCOL.md). */
#define R_200     "200 Nothing done\r\n"
#define R_200_OFF "[keepalive off]200 No keepalive on this connection\r\n"
#define R_211     "211-OPTS KEEPALIVE OFF\r\n211-IDLE 300\r\n211 End\r\n"
#define R_214                                                                                                          \
	"214-USER name, then PASS password: then every byte comes back\r\n"                                            \
	"214-OPTS KEEPALIVE OFF, FEAT, NOOP, HELP, QUIT\r\n214 End\r\n"
#define R_221        "221 Goodbye\r\n[end]"
#define R_230(name)  "230 Welcome, " name ". Echo begins\r\n[in]"
#define R_331        "331 Password, please\r\n"
#define R_332(name)  "332 No account named " name " yet: PASS creates it\r\n"
#define R_421_ERRORS "421 Too many errors\r\n[refuse]"
#define R_421_USERS  "421 Too many USER lines\r\n[refuse]"
#define R_421_BUSY   "421 Too busy: try again later\r\n[refuse]"
#define R_451        "451 Accounts are out of reach: try again later\r\n"
#define R_500        "500 That command is not known; HELP lists those that are\r\n"
#define R_500_LONG   "500 Line too long: 512 bytes at most, with its end\r\n"
#define R_501_NAME   "501 That is not a name: 1 to 64 letters, digits and . _ - + @\r\n"
#define R_501_NEW    "501 A new account's password has 8 to 256 bytes\r\n"
#define R_501_NUL    "501 A password holds no NUL and no CR\r\n"
#define R_501_OPTION "501 That option is not known; FEAT lists those that are\r\n"
#define R_503        "503 Say USER first\r\n"
#define R_530        "530 Name or password is wrong\r\n"
#define R_534                                                                                                          \
	"534 No password may travel on this path, which is not encrypted: use a tunnel, or this machine's own "        \
	"addresses\r\n"

#define NEWS       "Last login 2026-01-02T03:04:05Z from 127.0.0.1"
#define IN_AS_ANNA "[secret correct horse]230-" NEWS "\r\n" R_230("anna")
#define ASKED_ANNA "[name anna]" R_331
#define TEN(x)     x x x x x x x x x x

/* Both ends of one run: the dialogue, the keeper that answers it, and all that was said. */
struct talk {
	struct dialogue dialogue;
	bool is_in, is_over, was_down;
	bool checks_wiping; /* for transcripts that hold each secret once */
	size_t out_len, out_cap;
	char *out;
};

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
	return dialogue_answer(d, judge_name(t), written, NULL, reply);
}

static enum dialogue_answer judge_secret(struct talk *t, const uint8_t *secret, size_t len)
{
	static const char right[] = "correct horse";
	bool creates = t->dialogue.creates;

	if (name_begins(t, "late") && !t->was_down) {
		t->was_down = true;
		return ANSWER_UNAVAILABLE;
	}
	if (creates && (len < WIRE_SECRET_BYTES_MIN || len > WIRE_SECRET_BYTES_MAX))
		return ANSWER_BAD_SECRET;
	if (creates || name_begins(t, "any") || (len == strlen(right) && memcmp(secret, right, len) == 0))
		return ANSWER_IN;
	return ANSWER_REFUSED;
}

static enum dialogue_step answer_secret(struct talk *t, struct dialogue_reply *reply)
{
	size_t len, wiped_len;
	uint8_t secret[WIRE_SECRET_LINE_MAX];
	const uint8_t *given = dialogue_secret(&t->dialogue, &len);

	assert_true(len <= sizeof(secret));
	memcpy(secret, given, len);
	put_text(t, "[secret ");
	put(t, secret, len);
	put_text(t, "]");
	const char *news = name_begins(t, "anna") ? NEWS : NULL;
	enum dialogue_step step = dialogue_answer(&t->dialogue, judge_secret(t, secret, len), NULL, news, reply);
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
	case DIALOGUE_ASK_SECRET: return follow(t, answer_secret(t, reply), reply);
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

static void feed(struct talk *t, const uint8_t *data, size_t len)
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

struct transcript {
	const void *in;
	size_t in_len;
	const void *out;
	size_t out_len;
	bool no_secrets; /* a path that no secret may take */
	bool checks_wiping;
};

#define SAYS(in, out)                                                                                                  \
	{                                                                                                              \
		in, sizeof(in) - 1, out, sizeof(out) - 1, false, false                                                 \
	}
#define SAYS_IN_CLEAR(in, out)                                                                                         \
	{                                                                                                              \
		in, sizeof(in) - 1, out, sizeof(out) - 1, true, false                                                  \
	}

static void begin(struct talk *t, const struct transcript *script)
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

static void cut_in_three(struct talk *t, const struct transcript *script, size_t cut, size_t cut2)
{
	const uint8_t *in = script->in;

	begin(t, script);
	feed(t, in, cut);
	feed(t, in + cut, cut2 - cut);
	feed(t, in + cut2, script->in_len - cut2);
	expect(t, script, cut, cut2);
}

static uint64_t random_state;

static size_t below(size_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % n;
}

static void byte_by_byte(struct talk *t, const struct transcript *script)
{
	begin(t, script);
	for (size_t i = 0; i < script->in_len; i++)
		feed(t, (const uint8_t *)script->in + i, 1);
	expect(t, script, 1, 1);
}

/* Cut in two everywhere, or, where that is too often, near both ends and at some places between. */
static void play(const struct transcript *script)
{
	struct talk t = {0};
	size_t len = script->in_len;

	for (size_t cut = 0; cut <= len; cut++) {
		cut_in_three(&t, script, cut, len);
		if (len > 10 * WIRE_LINE_MAX && cut > 2 * WIRE_LINE_MAX && cut < len - 2 * WIRE_LINE_MAX)
			cut += below(len / 20);
	}
	for (unsigned i = 0; i < 100; i++) {
		size_t cut = below(len + 1);
		cut_in_three(&t, script, cut, cut + below(len - cut + 1));
	}
	byte_by_byte(&t, script);
	free(t.out);
}

static void play_all(const struct transcript *script, size_t count)
{
	for (size_t i = 0; i < count; i++)
		play(&script[i]);
}

static void test_logins(void **state)
{
	static const struct transcript scripts[] = {
	    SAYS("USER anna\nPASS correct horse\n", ASKED_ANNA IN_AS_ANNA),
	    SAYS("uSeR anna\r\npAsS correct horse\r\n", ASKED_ANNA IN_AS_ANNA),
	    SAYS("USER anna\nUSER newt\nUSER anna\nPASS correct horse\n",
	         ASKED_ANNA "[name newt]" R_332("newt") ASKED_ANNA IN_AS_ANNA),
	    /* registration */
	    SAYS("USER newt\nPASS long enough\n", "[name newt]" R_332("newt") "[secret long enough]" R_230("newt")),
	    SAYS("USER newt\nPASS short\nPASS long enough\nhi",
	         "[name newt]" R_332("newt") "[secret short]" R_501_NEW "[secret long enough]" R_230("newt") "hi"),
	    /* the name as the keeper writes it */
	    SAYS("USER e\xcc\x81va\nPASS correct horse\n",
	         "[name e\xcc\x81va]" R_331 "[secret correct horse]" R_230("\xc3\xa9va")),
	    /* no whole line yet */
	    SAYS("", ""),
	    SAYS("USER anna\nPASS correct horse", ASKED_ANNA),
	    SAYS("USER anna\nPASS correct horse\r", ASKED_ANNA),
	};

	(void)state;
	play_all(scripts, array_size(scripts));
}

/* What follows the LF of the PASS line is echo data if it was right, and commands if it was wrong. */
static void test_bytes_behind_pass(void **state)
{
	static const struct transcript scripts[] = {
	    SAYS("USER anna\nPASS correct horse\nhello\n", ASKED_ANNA IN_AS_ANNA "hello\n"),
	    SAYS("USER anna\nPASS correct horse\n\r\n\0\xff QUIT\r\n", ASKED_ANNA IN_AS_ANNA "\r\n\0\xff QUIT\r\n"),
	    SAYS("USER anna\nPASS wrong horse\nNOOP\nUSER anna\nPASS correct horse\nNOOP\n",
	         ASKED_ANNA "[secret wrong horse]" R_530 R_200 ASKED_ANNA IN_AS_ANNA "NOOP\n"),
	    SAYS("USER anna\nPASS wrong horse\nPASS correct horse\nQUIT\nhello\n",
	         ASKED_ANNA "[secret wrong horse]" R_530 R_503 R_221),
	};
	static const char login[] = "USER anna\nPASS correct horse\n", replies[] = ASKED_ANNA IN_AS_ANNA;
	char in[sizeof(login) + 2000], out[sizeof(replies) + 2000];

	(void)state;
	play_all(scripts, array_size(scripts));
	memcpy(in, login, sizeof(login));
	memcpy(out, replies, sizeof(replies));
	for (size_t i = 0; i < 2000; i++)
		in[sizeof(login) - 1 + i] = out[sizeof(replies) - 1 + i] = (char)(i * 7);
	play(&(struct transcript){in, sizeof(login) - 1 + 2000, out, sizeof(replies) - 1 + 2000, false, false});
}

static void test_commands(void **state)
{
	static const struct transcript scripts[] = {
	    SAYS("FEAT\nHELP\nNOOP\nOPTS KEEPALIVE OFF\nQUIT\n", R_211 R_214 R_200 R_200_OFF R_221),
	    SAYS("feat\r\nhElP\nnoOp\r\nopts KeepAlive oFF\nquit\r\n", R_211 R_214 R_200 R_200_OFF R_221),
	    SAYS("QUIT\nUSER anna\nPASS correct horse\n", R_221),
	    SAYS("USER anna\nNOOP\nFEAT\nPASS correct horse\n", ASKED_ANNA R_200 R_211 IN_AS_ANNA),
	    SAYS("OPTS\nOPTS KEEPALIVE ONE\nOPTS KEEPALIVE\n", R_501_OPTION R_501_OPTION R_501_OPTION R_421_ERRORS),
	    SAYS("\n\r\nNOOP\n \n", R_500 R_500 R_200 R_500 R_421_ERRORS),
	    SAYS("USERanna\nNOOPE\nNOO\n", R_500 R_500 R_500 R_421_ERRORS),
	    SAYS("NO\0OP\nNOOP\0\n", R_500 R_500),
	    SAYS("NOOP \xff\nUSER \xc3\n", R_500 R_501_NAME),
	    SAYS("USER\nUSER \n", R_501_NAME R_501_NAME),
	};

	(void)state;
	play_all(scripts, array_size(scripts));
}

static void test_errors(void **state)
{
	static const struct transcript scripts[] = {
	    SAYS("USER anna\nPASS wrong horse\nUSER anna\nPASS wronger horse\nUSER anna\nPASS wrongest horse\n"
	         "USER anna\nPASS correct horse\n",
	         ASKED_ANNA "[secret wrong horse]" R_530 ASKED_ANNA "[secret wronger horse]" R_530 ASKED_ANNA
	                    "[secret wrongest horse]" R_530 R_421_ERRORS),
	    SAYS("PASS correct horse\nUSER anna\nPASS correct horse\n", R_503 ASKED_ANNA IN_AS_ANNA),
	    SAYS("XYZZY\nPASS correct horse\nUSER \nNOOP\n", R_500 R_503 R_501_NAME R_421_ERRORS),
	    SAYS("USER newt\nPASS 1\nPASS 2\nPASS 3\nPASS long enough\n",
	         "[name newt]" R_332("newt") "[secret 1]" R_501_NEW "[secret 2]" R_501_NEW
	                                     "[secret 3]" R_501_NEW R_421_ERRORS),
	    SAYS(TEN("USER anna\n") "PASS correct horse\n", TEN(ASKED_ANNA) IN_AS_ANNA),
	    SAYS(TEN("USER anna\n") "USER anna\nPASS correct horse\n", TEN(ASKED_ANNA) R_421_USERS),
	    SAYS("USER busy\nNOOP\n", "[name busy]" R_421_BUSY),
	    /* out of reach: no strike, and the same line may be said again */
	    SAYS("USER down\nPASS correct horse\nUSER down\nPASS correct horse\n",
	         "[name down]" R_451 R_503 "[name down]" R_331 "[secret correct horse]" R_230("down")),
	    SAYS("USER late\nPASS correct horse\nPASS correct horse\nhi",
	         "[name late]" R_331 "[secret correct horse]" R_451 "[secret correct horse]" R_230("late") "hi"),
	    /* no secret on this path; what follows USER is not looked at */
	    SAYS_IN_CLEAR("USER anna\nPASS correct horse\nUSER \nUSER a\0b\nNOOP\n", R_534 R_503 R_534 R_534 R_200),
	    SAYS_IN_CLEAR(TEN("USER anna\n") "USER anna\n", TEN(R_534) R_421_USERS),
	};

	(void)state;
	play_all(scripts, array_size(scripts));
}

static void test_arguments(void **state)
{
	static const struct transcript scripts[] = {
	    SAYS("USER an\0na\nUSER an\rna\nUSER anna\n", R_501_NAME "[name an\rna]" R_501_NAME ASKED_ANNA),
	    SAYS("USER  anna\nUSER anna \n", "[name  anna]" R_501_NAME "[name anna ]" R_501_NAME),
	    SAYS("USER any\nPASS ab\0cdefgh\nPASS ab\rcdefgh\nPASS abcdefgh\n",
	         "[name any]" R_331 R_501_NUL R_501_NUL "[secret abcdefgh]" R_230("any")),
	    SAYS("USER any\nPASS abcdefgh\r\r\nPASS abcdefgh\r\n",
	         "[name any]" R_331 R_501_NUL "[secret abcdefgh]" R_230("any")),
	    /* kept exactly as sent */
	    SAYS("USER any\nPASS   two  spaces \t\x01\x7f\x80\xff\xc3\x28 \n",
	         "[name any]" R_331 "[secret   two  spaces \t\x01\x7f\x80\xff\xc3\x28 ]" R_230("any")),
	    SAYS("USER any\nPASS \n", "[name any]" R_331 "[secret ]" R_230("any")),
	    SAYS("USER any\nPASS\n", "[name any]" R_331 "[secret ]" R_230("any")),
	};

	(void)state;
	play_all(scripts, array_size(scripts));
}

/* A line that begins with start and is filled up to len bytes with its end, then NOOP; it is out's first reply. */
static void play_line(const char *start, size_t len, const char *end, const char *first_out, bool fill_is_told)
{
	size_t start_len = strlen(start), end_len = strlen(end), fill = len - start_len - end_len,
	       n = strlen(first_out);
	char *in = malloc(len + 6), *out = malloc(n + len + 1000);

	assert_true(in && out);
	memcpy(in, start, start_len);
	memset(in + start_len, 'x', fill);
	memcpy(in + start_len + fill, end, end_len);
	memcpy(in + len, "NOOP\n", 6);
	memcpy(out, first_out, n);
	if (fill_is_told) {
		memset(out + n, 'x', fill);
		n += fill;
		n += (size_t)snprintf(out + n, 500, "]%s", R_501_NAME);
	}
	n += (size_t)snprintf(out + n, 100, "%s", R_200);
	play(&(struct transcript){in, len + 5, out, n, false, false});
	free(in);
	free(out);
}

static void test_line_lengths(void **state)
{
	static const char *const ends[] = {"\n", "\r\n"};

	(void)state;
	for (size_t i = 0; i < array_size(ends); i++) {
		play_line("USER ", 511, ends[i], "[name ", true);
		play_line("USER ", 512, ends[i], "[name ", true);
		play_line("USER ", 513, ends[i], R_500_LONG, false);
		play_line("USER ", 1025, ends[i], R_500_LONG, false);
		play_line("NOOP\nUSER ", 5 + 512, ends[i], R_200 "[name ", true);
		play_line("NOOP\nUSER ", 5 + 513, ends[i], R_200 R_500_LONG, false);
		play_line("USER ", 1024 * 1024, ends[i], R_500_LONG, false);
	}
}

static void test_longest_secret(void **state)
{
	char in[2000], out[2000], secret[WIRE_SECRET_LINE_MAX + 2];

	(void)state;
	memset(secret, 's', sizeof(secret));
	for (size_t len = WIRE_SECRET_LINE_MAX - 1; len <= WIRE_SECRET_LINE_MAX + 1; len++) {
		int n = snprintf(in, sizeof(in), "USER any\nPASS %.*s\nNOOP\n", (int)len, secret), m;
		if (len <= WIRE_SECRET_LINE_MAX)
			m = snprintf(out, sizeof(out), "[name any]%s[secret %.*s]%sNOOP\n", R_331, (int)len, secret,
			             R_230("any"));
		else
			m = snprintf(out, sizeof(out), "[name any]%s%s%s", R_331, R_500_LONG, R_200);
		play(&(struct transcript){in, (size_t)n, out, (size_t)m, false, false});
	}
}

/* After the answer no piece of the secret is left, whatever the buffer went through before the line was whole. */
static void test_secret_is_wiped(void **state)
{
	static const struct transcript scripts[] = {
	    SAYS("USER anna\nPASS correct horse\nhello", ASKED_ANNA IN_AS_ANNA "hello"),
	    SAYS("NOOP\nNOOP\nFEAT\nUSER anna\r\nPASS correct horse\r\n", R_200 R_200 R_211 ASKED_ANNA IN_AS_ANNA),
	    SAYS("USER anna\nPASS 0123456789abcdef\nNOOP\n", ASKED_ANNA "[secret 0123456789abcdef]" R_530 R_200),
	    SAYS("USER late\nPASS 0123456789abcdef\n", "[name late]" R_331 "[secret 0123456789abcdef]" R_451),
	    SAYS("USER newt\nPASS 012345\n", "[name newt]" R_332("newt") "[secret 012345]" R_501_NEW),
	};

	(void)state;
	for (size_t i = 0; i < array_size(scripts); i++) {
		struct transcript script = scripts[i];
		script.checks_wiping = true;
		play(&script);
	}
}

/* Nothing is taken from the buffer while the answer is awaited. */
static void test_waits_for_answer(void **state)
{
	static const char in[] = "USER anna\nNOOP\n";
	struct dialogue d;
	struct dialogue_reply reply;

	(void)state;
	dialogue_init(&d, true, 0);
	dialogue_feed(&d, (const uint8_t *)in, sizeof(in) - 1);
	assert_int_equal(dialogue_next(&d, &reply), DIALOGUE_ASK_NAME);
	assert_int_equal(dialogue_next(&d, &reply), DIALOGUE_MORE);
	assert_int_equal(dialogue_answer(&d, ANSWER_KNOWN, NULL, NULL, &reply), DIALOGUE_REPLY);
	assert_int_equal(dialogue_next(&d, &reply), DIALOGUE_REPLY);
	assert_memory_equal(reply.text, R_200, reply.len);
}

/* The longest of everything fits into a reply. */
static void test_longest_replies(void **state)
{
	char host[400], line[WIRE_LINE_MAX + 1], news[257];
	struct dialogue d;
	struct dialogue_reply reply;

	(void)state;
	memset(host, 'h', sizeof(host) - 1);
	host[sizeof(host) - 1] = '\0';
	dialogue_greet(host, &reply);
	assert_int_equal(reply.len, 4 + 255 + strlen(" echod ready\r\n"));
	snprintf(line, sizeof(line), "USER %0*d\n", WIRE_NAME_LINE_MAX, 7);
	snprintf(news, sizeof(news), "%0*d", 256, 7);
	dialogue_init(&d, true, UINT32_MAX);
	dialogue_feed(&d, (const uint8_t *)line, WIRE_LINE_MAX);
	assert_int_equal(dialogue_next(&d, &reply), DIALOGUE_ASK_NAME);
	assert_int_equal(dialogue_answer(&d, ANSWER_UNKNOWN, NULL, NULL, &reply), DIALOGUE_REPLY);
	assert_memory_equal(reply.text + reply.len - 20, "t: PASS creates it\r\n", 20);
	assert_true(dialogue_room(&d) >= 12);
	dialogue_feed(&d, (const uint8_t *)"PASS secret\n", 12);
	assert_int_equal(dialogue_next(&d, &reply), DIALOGUE_ASK_SECRET);
	assert_int_equal(dialogue_answer(&d, ANSWER_IN, NULL, news, &reply), DIALOGUE_IN);
	assert_memory_equal(reply.text, "230-0000", 8);
	assert_memory_equal(reply.text + 4 + 256, "\r\n230 Welcome, 0000", 19);
	assert_memory_equal(reply.text + reply.len - 16, "7. Echo begins\r\n", 16);
}

static void test_random_transcripts(void **state)
{
	static const char *const pieces[] = {
	    "USER anna\n",
	    "USER anna\r\n",
	    "PASS wrong\n",
	    "PASS ",
	    "\n",
	    "\r",
	    "\r\n",
	    "x",
	    "USER ",
	    "NOOP\n",
	    "FEAT\n",
	    "\xff\x80",
	    "USER newt\n",
	    "PASS long enough\n",
	    "OPTS KEEPALIVE OFF\n",
	    "USER late\n",
	    "HELP\n",
	    "QUIT",
	};
	struct talk whole = {0}, cut = {0};

	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		char in[4096];
		size_t len = 0;
		for (size_t i = 1 + below(25); i > 0; i--) {
			const char *piece = pieces[below(array_size(pieces))];
			for (size_t times = below(20) ? 1 : below(90); times > 0 && len + 20 < sizeof(in); times--)
				len += (size_t)snprintf(in + len, sizeof(in) - len, "%s", piece);
		}
		struct transcript script = {in, len, NULL, 0, false, false};
		begin(&whole, &script);
		feed(&whole, (const uint8_t *)in, len);
		script.out = whole.out;
		script.out_len = whole.out_len;
		for (unsigned i = 0; i < 10; i++) {
			size_t at = below(len + 1);
			cut_in_three(&cut, &script, at, at + below(len - at + 1));
		}
		byte_by_byte(&cut, &script);
	}
	free(whole.out);
	free(cut.out);
}

int main(void)
{
	const char *given = getenv("TEST_SEED");
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_logins),
	    cmocka_unit_test(test_bytes_behind_pass),
	    cmocka_unit_test(test_commands),
	    cmocka_unit_test(test_errors),
	    cmocka_unit_test(test_arguments),
	    cmocka_unit_test(test_line_lengths),
	    cmocka_unit_test(test_longest_secret),
	    cmocka_unit_test(test_secret_is_wiped),
	    cmocka_unit_test(test_waits_for_answer),
	    cmocka_unit_test(test_longest_replies),
	    cmocka_unit_test(test_random_transcripts),
	};

	random_state = (given ? strtoull(given, NULL, 0) : clock_now_ns()) | 1;
	printf("TEST_SEED=%llu\n", (unsigned long long)random_state);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
