/*
 * Text from strangers, numbers that people wrote, and the clock's text. The hostile strings are made of nasty pieces by
 * a generator; TEST_SEED repeats a run.
 */
#include "text.h"

#include <errno.h>
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
#include "number.h"

#define STRINGS     500
#define STRING_MAX  200
#define ESCAPED_MAX (4 * STRING_MAX + 1)

static uint64_t random_state;

static size_t below(size_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % n;
}

struct piece {
	const char *bytes;
	size_t len;
	bool is_shown; /* good UTF-8 that a terminal may have as it is */
};

#define NASTY(s)                                                                                                       \
	{                                                                                                              \
		s, sizeof(s) - 1, false                                                                                \
	}
#define SHOWN(s)                                                                                                       \
	{                                                                                                              \
		s, sizeof(s) - 1, true                                                                                 \
	}

/* Each begins with a byte that continues no character, or is all continuation bytes; each shown one is one character.
 */
static const struct piece pieces[] = {
    NASTY("\0"),
    NASTY("\n"),
    NASTY("\r\n"),
    NASTY("\t"),
    NASTY("\x7f"),
    NASTY("\x01\x1f"),
    NASTY("\b\b"),
    /* escape sequences: clear, title, colour, hyperlink; C1's CSI as a byte and in UTF-8 */
    NASTY("\x1b[2J"),
    NASTY("\x1b]0;owned\x07"),
    NASTY("\x1b[31m"),
    NASTY("\x1b]8;;http://x\x1b\\"),
    NASTY(" \x9b"
          "2J"),
    NASTY("\xc2\x9b"
          "2J"),
    NASTY("\xc2\x80"),
    /* ill-formed UTF-8: lone, cut, overlong, a surrogate, too large, bytes that never occur */
    NASTY(" \x80"),
    NASTY(" \xbf\xbf"),
    NASTY("\xc3"),
    NASTY("\xe2\x82"),
    NASTY("\xf0\x9f\x98"),
    NASTY("\xc0\xaf"),
    NASTY("\xe0\x80\x8a"),
    NASTY("\xf0\x80\x80\x8a"),
    NASTY("\xed\xa0\x80"),
    NASTY("\xf4\x90\x80\x80"),
    NASTY("\xfe\xff"),
    NASTY("\xf8\x88\x80\x80\x80"),
    /* what turns a line round: RLO, LRO, isolates, marks; line and paragraph separators */
    NASTY("\xe2\x80\xae"),
    NASTY("\xe2\x80\xad"),
    NASTY("\xe2\x81\xa6"),
    NASTY("\xe2\x81\xa9"),
    NASTY("\xe2\x80\x8f"),
    NASTY("\xd8\x9c"),
    NASTY("\xe2\x80\xa8"),
    NASTY("\xe2\x80\xa9"),
    SHOWN("\""),
    SHOWN("\\"),
    SHOWN("="),
    SHOWN(" "),
    SHOWN("'"),
    SHOWN("%"),
    SHOWN("a"),
    SHOWN("n"),
    SHOWN("x"),
    SHOWN("\xc3\xa9"),
    SHOWN("\xc2\xa0"),
    SHOWN("\xd0\xaf"),
    SHOWN("\xe2\x82\xac"),
    SHOWN("\xe6\xbc\xa2"),
    SHOWN("\xf0\x9f\x98\x80"),
    SHOWN("\xf4\x8f\xbf\xbd"),
    SHOWN("\xcc\x81"),
};

/* Text that logfmt's reader and a person both take for more than one value. */
static const char *const whole[] = {
    "",      " ",   "=", "\"", "\\", "\\\"", "a\" level=error msg=\"forged", "a\ntime=1 level=error event=forged",
    "\\x0a", "\\n",
};

/* Fills string; mask says which of its bytes belong to a character that is to be shown. */
static size_t make_string(char string[STRING_MAX], bool mask[STRING_MAX], size_t number)
{
	size_t len = 0;

	if (number < array_size(pieces) || number >= array_size(pieces) + array_size(whole)) {
		size_t count = number < array_size(pieces) ? 1 : 1 + below(60);
		for (size_t i = 0; i < count; i++) {
			const struct piece *p =
			    &pieces[count == 1 ? number % array_size(pieces) : below(array_size(pieces))];
			if (len + p->len > STRING_MAX)
				break;
			memcpy(string + len, p->bytes, p->len);
			for (size_t k = 0; k < p->len; k++)
				mask[len + k] = p->is_shown || (p->bytes[k] >= 0x20 && p->bytes[k] <= 0x7e);
			len += p->len;
		}
		return len;
	}
	len = strlen(whole[number - array_size(pieces)]);
	memcpy(string, whole[number - array_size(pieces)], len);
	for (size_t i = 0; i < len; i++)
		mask[i] = string[i] >= 0x20;
	return len;
}

static unsigned hex(char c)
{
	assert_true((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'));
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a') + 10;
}

/* Reads what text_escape wrote back: every escape is whole, and the bytes are src's. Returns how many it stands for. */
static size_t unescape_and_compare(const char *text, size_t len, const char *src)
{
	size_t n = 0;

	for (size_t i = 0; i < len; n++) {
		assert_true(text[i] >= 0x20 && text[i] <= 0x7e);
		unsigned byte = (unsigned char)text[i];
		assert_int_not_equal(byte, '"');
		if (byte != '\\') {
			i++;
		} else if (text[i + 1] == 'x') {
			assert_true(i + 4 <= len);
			byte = hex(text[i + 2]) << 4 | hex(text[i + 3]);
			i += 4;
		} else {
			assert_true(i + 2 <= len && (text[i + 1] == '"' || text[i + 1] == '\\'));
			byte = (unsigned char)text[i + 1];
			i += 2;
		}
		assert_int_equal(byte, (unsigned char)src[n]);
	}
	return n;
}

typedef size_t escape_fn(char *dst, size_t cap, const void *src, size_t len);

/* At every cap: within it, NUL-ended, nothing behind, and the beginning of what all the room in the world gives. */
static void check_caps(escape_fn *escape, const char *src, size_t len, const char *all, size_t all_len)
{
	for (size_t cap = 1; cap <= all_len + 2; cap++) {
		char *dst = malloc(cap + 1);
		assert_non_null(dst);
		dst[cap] = 0x5a;
		size_t n = escape(dst, cap, src, len);
		assert_true(n < cap);
		assert_int_equal(dst[n], '\0');
		assert_int_equal(dst[cap], 0x5a);
		assert_memory_equal(dst, all, n);
		assert_true(cap <= all_len ? n + 4 >= cap : n == all_len); /* what fits is there */
		free(dst);
	}
}

static void test_escape(void **state)
{
	(void)state;
	for (size_t i = 0; i < STRINGS; i++) {
		char src[STRING_MAX], all[ESCAPED_MAX], cut[ESCAPED_MAX];
		bool mask[STRING_MAX];
		size_t len = make_string(src, mask, i), all_len = text_escape(all, sizeof(all), src, len);
		assert_int_equal(strlen(all), all_len);
		assert_int_equal(unescape_and_compare(all, all_len, src), len);
		check_caps(text_escape, src, len, all, all_len);
		for (size_t cap = 1; cap <= all_len; cap++) /* no escape is cut */
			unescape_and_compare(cut, text_escape(cut, cap, src, len), src);
	}
}

/* What text_escape_utf8 has to write: shown characters as they are, every other byte as \xHH. */
static size_t escape_by_mask(char *dst, const char *src, const bool *mask, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (mask[i])
			dst[n++] = src[i];
		else
			n += (size_t)snprintf(dst + n, 5, "\\x%02x", (unsigned char)src[i]);
	}
	return n;
}

static void test_escape_utf8(void **state)
{
	(void)state;
	for (size_t i = 0; i < STRINGS; i++) {
		char src[STRING_MAX], all[ESCAPED_MAX], wanted[ESCAPED_MAX];
		bool mask[STRING_MAX];
		size_t len = make_string(src, mask, i), wanted_len = escape_by_mask(wanted, src, mask, len);
		size_t all_len = text_escape_utf8(all, sizeof(all), src, len);
		assert_int_equal(all_len, wanted_len);
		assert_memory_equal(all, wanted, wanted_len);
		check_caps(text_escape_utf8, src, len, all, all_len);
	}
}

/* No character is cut, so what stays is UTF-8. */
static void test_escape_utf8_cut(void **state)
{
	static const char src[] = "\xd0\xaf\xe2\x82\xac\xf0\x9f\x98\x80\xc3\xa9";
	static const size_t fits[] = {0, 0, 2, 2, 2, 5, 5, 5, 5, 9, 9, 11};
	char dst[20];

	(void)state;
	for (size_t cap = 1; cap <= array_size(fits); cap++)
		assert_int_equal(text_escape_utf8(dst, cap, src, sizeof(src) - 1), fits[cap - 1]);
}

/* Every code point in its only right form, against the definition; and the same cut short. */
static void test_utf8_char(void **state)
{
	(void)state;
	for (unsigned c = 0; c <= 0x110100; c++) {
		uint8_t s[4] = {(uint8_t)c};
		size_t n = 1;
		if (c >= 0x80) {
			n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
			for (size_t i = n; i-- > 1;)
				s[i] = (uint8_t)(0x80 | (c >> 6 * (n - 1 - i) & 0x3f));
			s[0] = (uint8_t)(0xf00 >> n | c >> 6 * (n - 1));
		}
		bool is_good = c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);
		unsigned got = 0;
		size_t used = text_utf8_char(s, n, &got);
		if (used != (is_good ? n : 0) || (is_good && got != c) || text_utf8_char(s, n - 1, &got) != 0)
			fail_msg("U+%04X", c);
	}
	unsigned c;
	assert_int_equal(text_utf8_char("\xc1\xbf", 2, &c), 0);
	assert_int_equal(text_utf8_char("\xe0\x9f\xbf", 3, &c), 0);
	assert_int_equal(text_utf8_char("\xf0\x8f\xbf\xbf", 4, &c), 0);
	assert_int_equal(text_utf8_char("\xe2(\xa1", 3, &c), 0);
	assert_int_equal(text_utf8_char("\xe2\x82(", 3, &c), 0);
	assert_int_equal(text_utf8_char("a\x80", 2, &c), 1);
}

static void test_copy(void **state)
{
	char dst[5] = "zzzz";

	(void)state;
	assert_true(text_copy(dst, 5, "abcd"));
	assert_string_equal(dst, "abcd");
	assert_false(text_copy(dst, 4, "abcd"));
	assert_string_equal(dst, "abc");
	assert_false(text_copy(dst, 1, "abcd"));
	assert_string_equal(dst, "");
	assert_true(text_copy(dst, 1, ""));
}

static void test_numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t least, most;
		int err;
		uint64_t n;
	} numbers[] = {
	    {"0", 0, 10, 0, 0},
	    {"10", 0, 10, 0, 10},
	    {"0010", 0, 10, 0, 10},
	    {"11", 0, 10, -ERANGE, 0},
	    {"4", 5, 10, -ERANGE, 0},
	    {"18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX},
	    {"18446744073709551614", 0, UINT64_MAX - 1, 0, UINT64_MAX - 1},
	    {"18446744073709551616", 0, UINT64_MAX - 1, -ERANGE, 0},
	    {"18446744073709551617", 0, 10, -ERANGE, 0},
	    {"99999999999999999999999999999999999999990", 0, 10, -ERANGE, 0},
	    {"18446744073709551616", 0, UINT64_MAX, -ERANGE, 0},
	    {"99999999999999999999", 0, UINT64_MAX, -ERANGE, 0},
	    {"", 0, 10, -EINVAL, 0},
	    {" 1", 0, 10, -EINVAL, 0},
	    {"1 ", 0, 10, -EINVAL, 0},
	    {"+1", 0, 10, -EINVAL, 0},
	    {"-1", 0, 10, -EINVAL, 0},
	    {"0x1", 0, 10, -EINVAL, 0},
	    {"1.0", 0, 10, -EINVAL, 0},
	    {"1\n", 0, 10, -EINVAL, 0},
	    {"\xd9\xa1", 0, 10, -EINVAL, 0},
	    {"99999999999999999999999x", 0, 10, -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < array_size(numbers); i++) {
		uint64_t n = 0;
		int err = number_parse(numbers[i].text, numbers[i].least, numbers[i].most, &n);
		if (err != numbers[i].err || n != numbers[i].n)
			fail_msg("'%s' up to %llu: %d, %llu", numbers[i].text, (unsigned long long)numbers[i].most, err,
			         (unsigned long long)n);
	}
}

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		int err;
		uint64_t ms;
	} durations[] = {
	    {"250ms", 0, 250},
	    {"30s", 0, 30000},
	    {"5m", 0, 300000},
	    {"2h", 0, 7200000},
	    {"366d", 0, NUMBER_DURATION_MAX_MS},
	    {"30", 0, 30000},
	    {"0", 0, 0},
	    {"off", 0, 0},
	    {"1m30s", 0, 90000},
	    {"1d2h3m4s5ms", 0, 93784005},
	    {"1.5s", 0, 1500},
	    {"0.25", 0, 250},
	    {"1.5m", 0, 90000},
	    {"0.001s", 0, 1},
	    {"1.0009s", 0, 1000},
	    {"1.00000000000000000000000000000001s", 0, 1000},
	    {"31622400000ms", 0, NUMBER_DURATION_MAX_MS},
	    {"31622400001ms", -ERANGE, 0},
	    {"366d1ms", -ERANGE, 0},
	    {"367d", -ERANGE, 0},
	    {"31622400000d", -ERANGE, 0},
	    {"213503982334d", -ERANGE, 0}, /* 2^64 ms and a bit */
	    {"99999999999999999999999999999", -ERANGE, 0},
	    {"366d366d366d", -ERANGE, 0},
	    {"", -EINVAL, 0},
	    {"s", -EINVAL, 0},
	    {"OFF", -EINVAL, 0},
	    {"offs", -EINVAL, 0},
	    {"5x", -EINVAL, 0},
	    {"5 s", -EINVAL, 0},
	    {" 5s", -EINVAL, 0},
	    {"5s ", -EINVAL, 0},
	    {"-5s", -EINVAL, 0},
	    {"+5s", -EINVAL, 0},
	    {".5s", -EINVAL, 0},
	    {"5.s", -EINVAL, 0},
	    {"1.5.5s", -EINVAL, 0},
	    {"1e3", -EINVAL, 0},
	    {"1s30", -EINVAL, 0},
	    {"0s30", -EINVAL, 0},
	    {"5S", -EINVAL, 0},
	    {"5sec", -EINVAL, 0},
	    {"5ss", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < array_size(durations); i++) {
		uint64_t ms = 0;
		int err = number_parse_duration_ms(durations[i].text, &ms);
		if (err != durations[i].err || ms != durations[i].ms)
			fail_msg("'%s': %d, %llu ms", durations[i].text, err, (unsigned long long)ms);
	}
}

static void test_clock_format(void **state)
{
	static const struct {
		int64_t us;
		const char *text;
	} times[] = {
	    {0, "1970-01-01T00:00:00.000000Z"},
	    {1, "1970-01-01T00:00:00.000001Z"},
	    {-1, "1969-12-31T23:59:59.999999Z"},
	    {-1000000, "1969-12-31T23:59:59.000000Z"},
	    {INT64_C(1767323045123456), "2026-01-02T03:04:05.123456Z"},
	    {INT64_C(951827696000007), "2000-02-29T12:34:56.000007Z"},
	    {INT64_C(253402300799999999), "9999-12-31T23:59:59.999999Z"},
	};
	static const int64_t extremes[] = {INT64_MIN, INT64_MIN + 1, INT64_C(253402300800000000), INT64_MAX};
	char text[CLOCK_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < array_size(times); i++) {
		assert_int_equal(clock_format(text, times[i].us), 27);
		assert_string_equal(text, times[i].text);
		assert_int_equal(clock_format_s(text, times[i].us), 20);
		assert_memory_equal(text, times[i].text, 19);
		assert_string_equal(text + 19, "Z");
	}
	for (size_t i = 0; i < array_size(extremes); i++) { /* of the right shape still */
		assert_int_equal(clock_format(text, extremes[i]), 27);
		assert_int_equal(clock_format_s(text, extremes[i]), 20);
	}
}

static void test_clocks(void **state)
{
	(void)state;
	uint64_t coarse = clock_coarse_ms(), fine = clock_now_ns();
	assert_true(clock_coarse_ms() >= coarse);
	assert_true(clock_now_ns() >= fine);
	assert_true(fine / 1000000 >= coarse);                    /* both are CLOCK_MONOTONIC */
	assert_true(clock_wall_us() > INT64_C(1577836800000000)); /* 2020 */
}

int main(void)
{
	const char *given = getenv("TEST_SEED");
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_escape),
	    cmocka_unit_test(test_escape_utf8),
	    cmocka_unit_test(test_escape_utf8_cut),
	    cmocka_unit_test(test_utf8_char),
	    cmocka_unit_test(test_copy),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_durations),
	    cmocka_unit_test(test_clock_format),
	    cmocka_unit_test(test_clocks),
	};

	random_state = (given ? strtoull(given, NULL, 0) : clock_now_ns()) | 1;
	printf("TEST_SEED=%llu\n", (unsigned long long)random_state);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
