/* The server's end of the login dialogue; how it is played stands in dialogue_talk.h. */
#include "dialogue_talk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "must.h"

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
	talk_play_all(scripts, array_size(scripts));
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
	talk_play_all(scripts, array_size(scripts));
	memcpy(in, login, sizeof(login));
	memcpy(out, replies, sizeof(replies));
	for (size_t i = 0; i < 2000; i++)
		in[sizeof(login) - 1 + i] = out[sizeof(replies) - 1 + i] = (char)(i * 7);
	talk_play(&(struct transcript){in, sizeof(login) - 1 + 2000, out, sizeof(replies) - 1 + 2000, false, false});
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
	talk_play_all(scripts, array_size(scripts));
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
	talk_play_all(scripts, array_size(scripts));
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
	talk_play_all(scripts, array_size(scripts));
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
	talk_play(&(struct transcript){in, len + 5, out, n, false, false});
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
		talk_play(&(struct transcript){in, (size_t)n, out, (size_t)m, false, false});
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
		talk_play(&script);
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
	assert_int_equal(dialogue_answer(&d, &(struct dialogue_said){.answer = ANSWER_KNOWN}, &reply), DIALOGUE_REPLY);
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
	assert_int_equal(dialogue_answer(&d, &(struct dialogue_said){.answer = ANSWER_UNKNOWN}, &reply),
	                 DIALOGUE_REPLY);
	assert_memory_equal(reply.text + reply.len - 20, "t: PASS creates it\r\n", 20);
	assert_true(dialogue_room(&d) >= 12);
	dialogue_feed(&d, (const uint8_t *)"PASS secret\n", 12);
	assert_int_equal(dialogue_next(&d, &reply), DIALOGUE_ASK_SECRET);
	assert_int_equal(
	    dialogue_answer(&d,
	                    &(struct dialogue_said){
	                        .answer = ANSWER_IN, .news = news, .address = news, .token = news, .expires = news},
	                    &reply),
	    DIALOGUE_IN);
	assert_memory_equal(reply.text, "230-0000", 8);
	assert_memory_equal(reply.text + 4 + 256, "\r\n230-You come from 0", 21);
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
	    "OPTS TOKEN\n",
	    "RESUME wrong\n",
	    "RESUME " TOKEN_1 "\r\n",
	};
	struct talk whole = {0}, cut = {0};

	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		char in[4096];
		size_t len = 0;
		for (size_t i = 1 + talk_below(25); i > 0; i--) {
			const char *piece = pieces[talk_below(array_size(pieces))];
			for (size_t times = talk_below(20) ? 1 : talk_below(90); times > 0 && len + 64 < sizeof(in);
			     times--)
				len += (size_t)snprintf(in + len, sizeof(in) - len, "%s", piece);
		}
		struct transcript script = {in, len, NULL, 0, false, false};
		talk_begin(&whole, &script);
		talk_feed(&whole, (const uint8_t *)in, len);
		script.out = whole.out;
		script.out_len = whole.out_len;
		for (unsigned i = 0; i < 10; i++) {
			size_t at = talk_below(len + 1);
			talk_cut_in_three(&cut, &script, at, at + talk_below(len - at + 1));
		}
		talk_byte_by_byte(&cut, &script);
	}
	free(whole.out);
	free(cut.out);
}

int main(void)
{
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

	talk_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
