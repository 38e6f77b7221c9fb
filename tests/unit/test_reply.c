/* The client's end of the login dialogue: the same replies and the same byte to stop at, however the bytes are cut. */
#include "reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "must.h"

#define SAID_MAX 8192

/* What reply_feed made of a stream: each line as `<code>|text|`, `[code]` for a last one, or BAD. */
struct reader {
	struct reply reply;
	unsigned wants; /* whole replies, then it reads no more */
	bool is_bad;
	size_t used;
	size_t said_len;
	char said[SAID_MAX];
};

static void begin(struct reader *r, unsigned wants)
{
	r->wants = wants;
	r->is_bad = false;
	r->used = r->said_len = 0;
	reply_init(&r->reply);
}

static void say(struct reader *r, const char *fmt, unsigned code)
{
	size_t len;
	const char *text = reply_text(&r->reply, &len);

	r->said_len += (size_t)snprintf(r->said + r->said_len, 8, fmt, code);
	assert_true(r->said_len + len + 8 < sizeof(r->said));
	memcpy(r->said + r->said_len, text, len);
	r->said_len += len;
	r->said[r->said_len++] = '|';
}

static void feed(struct reader *r, const uint8_t *data, size_t len)
{
	while (len > 0 && r->wants > 0 && !r->is_bad) {
		size_t used = SIZE_MAX;
		enum reply_event event = reply_feed(&r->reply, data, len, &used);
		assert_true(used <= len);
		data += used;
		len -= used;
		r->used += used;
		switch (event) {
		case REPLY_MORE: assert_int_equal(len, 0); break;
		case REPLY_LINE: say(r, "<%u>", r->reply.code); break;
		case REPLY_DONE:
			say(r, "[%u]", r->reply.code);
			r->wants--;
			break;
		case REPLY_BAD: r->is_bad = true; break;
		}
	}
}

struct stream {
	const void *in;
	size_t in_len;
	const char *said;
	size_t said_len;
	unsigned wants;
	size_t left; /* bytes behind the last reply, which are not its own */
	bool is_bad;
};

static void expect(const struct reader *r, const struct stream *s, size_t cut, size_t cut2)
{
	bool same = r->said_len == s->said_len && (!r->said_len || memcmp(r->said, s->said, r->said_len) == 0);

	if (same && r->is_bad == s->is_bad && (r->is_bad || r->used == s->in_len - s->left))
		return;
	fail_msg("cut at %zu and %zu of '%.60s': '%.*s'%s, %zu bytes used; wanted '%.*s'%s, %zu left", cut, cut2,
	         (const char *)s->in, (int)r->said_len, r->said, r->is_bad ? " bad" : "", r->used, (int)s->said_len,
	         s->said, s->is_bad ? " bad" : "", s->left);
}

static void cut_in_three(const struct stream *s, size_t cut, size_t cut2)
{
	static struct reader r;
	const uint8_t *in = s->in;

	begin(&r, s->wants);
	feed(&r, in, cut);
	if (r.wants > 0)
		feed(&r, in + cut, cut2 - cut);
	if (r.wants > 0)
		feed(&r, in + cut2, s->in_len - cut2);
	expect(&r, s, cut, cut2);
}

static void play(const struct stream *s)
{
	static struct reader r;

	for (size_t cut = 0; cut <= s->in_len; cut++) {
		cut_in_three(s, cut, s->in_len);
		for (size_t cut2 = cut; s->in_len < 100 && cut2 <= s->in_len; cut2++)
			cut_in_three(s, cut, cut2);
	}
	begin(&r, s->wants);
	for (size_t i = 0; i < s->in_len; i++)
		feed(&r, (const uint8_t *)s->in + i, 1);
	expect(&r, s, 1, 1);
}

#define SAYS(in, said, wants, left)                                                                                    \
	{                                                                                                              \
		in, sizeof(in) - 1, said, sizeof(said) - 1, wants, left, false                                         \
	}
#define IS_BAD(in, said)                                                                                               \
	{                                                                                                              \
		in, sizeof(in) - 1, said, sizeof(said) - 1, 9, 0, true                                                 \
	}

static void test_replies(void **state)
{
	static const struct stream streams[] = {
	    SAYS("220 localhost echod ready\r\n", "[220]localhost echod ready|", 1, 0),
	    SAYS("220 localhost echod ready\n", "[220]localhost echod ready|", 1, 0),
	    SAYS("220 a\r\n331 b\r\n230 c\r\n", "[220]a|[331]b|[230]c|", 3, 0),
	    SAYS("211-OPTS\r\n211-IDLE 0\r\n211 End\r\n", "<211>OPTS|<211>IDLE 0|[211]End|", 1, 0),
	    SAYS("230-a\n230-\r\n230 c\r\n200 d\r\n", "<230>a|<230>|[230]c|[200]d|", 2, 0),
	    /* a code alone */
	    SAYS("200\r\n", "[200]|", 1, 0),
	    SAYS("200 \r\n", "[200]|", 1, 0),
	    SAYS("200\n200\n", "[200]|[200]|", 2, 0),
	    /* as the server sent them: nothing is taken away but code and end */
	    SAYS("200  a \t\x1b\0\xff\rb \r\n", "[200] a \t\x1b\0\xff\rb |", 1, 0),
	    SAYS("200 a\r\r\n", "[200]a\r|", 1, 0),
	    SAYS("100 a\r\n999 b\r\n", "[100]a|[999]b|", 2, 0),
	    /* the error that comes with a second reply behind it */
	    SAYS("530 no\r\n421 over\r\n", "[530]no|[421]over|", 2, 0),
	};

	(void)state;
	for (size_t i = 0; i < array_size(streams); i++)
		play(&streams[i]);
}

/* Echoed bytes behind the last reply are left alone, whatever they look like. */
static void test_bytes_behind(void **state)
{
	static const struct stream streams[] = {
	    SAYS("230 in\r\nhello", "[230]in|", 1, 5),
	    SAYS("230 in\r\n230 in\r\n", "[230]in|", 1, 8),
	    SAYS("230 in\r\n\n", "[230]in|", 1, 1),
	    SAYS("230-a\r\n230 in\n\0\xff\r\n", "<230>a|[230]in|", 1, 4),
	};

	(void)state;
	for (size_t i = 0; i < array_size(streams); i++)
		play(&streams[i]);
}

static void test_not_the_protocol(void **state)
{
	static const struct stream streams[] = {
	    IS_BAD("\n", ""),
	    IS_BAD("\r\n", ""),
	    IS_BAD("SSH-2.0-OpenSSH_9.2\r\n", ""),
	    IS_BAD("HTTP/1.1 400 Bad Request\r\n", ""),
	    IS_BAD("22\r\n", ""),
	    IS_BAD("22 a\r\n", ""),
	    IS_BAD("2200 a\r\n", ""),
	    IS_BAD("220a\r\n", ""),
	    IS_BAD("220\ta\r\n", ""),
	    IS_BAD("220\0a\r\n", ""),
	    IS_BAD(" 220 a\r\n", ""),
	    IS_BAD("-20 a\r\n", ""),
	    IS_BAD("2x0 a\r\n", ""),
	    IS_BAD("22x a\r\n", ""),
	    IS_BAD("\xb2\xb2\xb0 a\r\n", ""),
	    IS_BAD("000 a\r\n", ""),
	    IS_BAD("099 a\r\n", ""),
	    /* the code changes before the reply's end; a line of it has none */
	    IS_BAD("211-a\r\n212 b\r\n", "<211>a|"),
	    IS_BAD("211-a\r\n212-b\r\n", "<211>a|"),
	    IS_BAD("211-a\r\nb\r\n", "<211>a|"),
	    IS_BAD("211-a\r\n b\r\n", "<211>a|"),
	    IS_BAD("211-a\r\n\r\n", "<211>a|"),
	    IS_BAD("211-a\r\n211 b\r\nc\r\n", "<211>a|[211]b|"),
	};

	(void)state;
	for (size_t i = 0; i < array_size(streams); i++)
		play(&streams[i]);
}

static void test_line_lengths(void **state)
{
	char in[WIRE_LINE_MAX + 2], said[WIRE_LINE_MAX + 20];

	(void)state;
	for (size_t len = WIRE_LINE_MAX - 2; len <= WIRE_LINE_MAX + 1; len++) {
		bool fits = len <= WIRE_LINE_MAX;
		for (size_t end_len = 1; end_len <= 2; end_len++) {
			size_t text_len = len - 4 - end_len;
			memset(in, 'x', sizeof(in));
			memcpy(in, "220 ", 4);
			memcpy(in + 4 + text_len, end_len == 1 ? "\n" : "\r\n", end_len);
			int n = snprintf(said, sizeof(said), "[220]%.*s|", (int)text_len, in + 4);
			play(&(struct stream){in, len, said, fits ? (size_t)n : 0, 1, 0, !fits});
		}
	}
	/* no line's end at all: told when the line cannot be one any more, not at its end */
	memset(in, '2', sizeof(in));
	play(&(struct stream){in, WIRE_LINE_MAX, "", 0, 1, 0, false});
	play(&(struct stream){in, WIRE_LINE_MAX + 1, "", 0, 1, 0, true});
}

/* A reply of total bytes: lines `220-…` of 64 bytes and a last one that fills it up. */
static void play_total(size_t total, bool is_bad)
{
	static char in[REPLY_TOTAL_MAX + 600], said[SAID_MAX];
	size_t len = 0, said_len = 0, text_len;

	while (total - len > 200) {
		len += (size_t)snprintf(in + len, sizeof(in) - len, "220-%058d\r\n", 7);
		said_len += (size_t)snprintf(said + said_len, sizeof(said) - said_len, "<220>%058d|", 7);
	}
	text_len = total - len - 6;
	snprintf(in + len, sizeof(in) - len, "220 %0*d\r\n", (int)text_len, 7);
	if (!is_bad)
		said_len += (size_t)snprintf(said + said_len, sizeof(said) - said_len, "[220]%0*d|", (int)text_len, 7);
	play(&(struct stream){in, total, said, said_len, 1, 0, is_bad});
}

static void test_endless_reply(void **state)
{
	static struct reader r;
	size_t lines = 0;

	(void)state;
	play_total(REPLY_TOTAL_MAX - 1, false);
	play_total(REPLY_TOTAL_MAX, false);
	play_total(REPLY_TOTAL_MAX + 1, true);
	begin(&r, 1);
	for (; !r.is_bad; lines++) {
		assert_true(lines * 8 <= REPLY_TOTAL_MAX);
		feed(&r, (const uint8_t *)"220-abc\n", 8);
	}
	/* each reply is counted for itself */
	begin(&r, 2000);
	for (unsigned i = 0; i < 1000; i++) {
		r.said_len = 0;
		feed(&r, (const uint8_t *)"220-abc\n220 d\n", 14);
	}
	assert_int_equal(r.wants, 1000);
}

static void test_empty_feed(void **state)
{
	struct reply r;
	size_t used = 7, len;

	(void)state;
	reply_init(&r);
	assert_int_equal(reply_feed(&r, (const uint8_t *)"", 0, &used), REPLY_MORE);
	assert_int_equal(used, 0);
	assert_int_equal(reply_feed(&r, (const uint8_t *)"211-a\n211 b\n", 12, &used), REPLY_LINE);
	assert_int_equal(used, 6);
	assert_int_equal(reply_feed(&r, (const uint8_t *)"", 0, &used), REPLY_MORE);
	assert_int_equal(used, 0);
	assert_int_equal(reply_feed(&r, (const uint8_t *)"212 b\n", 6, &used), REPLY_BAD);
	reply_init(&r);
	assert_int_equal(reply_feed(&r, (const uint8_t *)"212 b\n", 6, &used), REPLY_DONE);
	assert_memory_equal(reply_text(&r, &len), "b", 1);
	assert_int_equal(len, 1);
	assert_int_equal(reply_feed(&r, (const uint8_t *)"x\n", 2, &used), REPLY_BAD);
	assert_int_equal(reply_feed(&r, (const uint8_t *)"213 c\n", 6, &used), REPLY_DONE); /* begins anew, as ever */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_replies),          cmocka_unit_test(test_bytes_behind),
	    cmocka_unit_test(test_not_the_protocol), cmocka_unit_test(test_line_lengths),
	    cmocka_unit_test(test_endless_reply),    cmocka_unit_test(test_empty_feed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
