/* What a terminal sends, taken apart; and wide characters, there and back. */
#include "typing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "must.h"
#include "wide.h"

#define BEGIN "\033[200~"
#define END   "\033[201~"

static struct typing typing;

/* Feeds bytes, so many at once, and writes down what comes of them: c(61), and what was pasted as t() or b(). */
static void read_as(const char *bytes, size_t len, size_t step, char *told, size_t cap)
{
	wchar_t c;

	memset(&typing, 0, sizeof(typing));
	told[0] = '\0';
	for (size_t at = 0; at < len;) {
		uint8_t *to;
		size_t room = typing_room(&typing, &to), n = len - at < step ? len - at : step;
		assert_true(room >= n);
		memcpy(to, bytes + at, n);
		typing_put(&typing, n);
		at += n;
		for (enum typing_event event; (event = typing_next(&typing, &c)) != TYPING_MORE;) {
			size_t used = strlen(told);
			if (event == TYPING_CHAR)
				snprintf(told + used, cap - used, "c(%x)", (unsigned)c);
			else
				snprintf(told + used, cap - used, "%c(%.*s)", event == TYPING_TEXT ? 't' : 'b',
				         (int)typing.pasted_len, typing.pasted);
		}
	}
}

static void test_events(void **state)
{
	static const struct {
		const char *bytes, *told;
	} cases[] = {
	    {"a\xd1\x8b", "c(61)c(44b)"},
	    {"\xe6\xbc\xa2\xf0\x9f\x98\x80", "c(6f22)c(1f600)"},
	    {"\xff\x80z", "c(dcff)c(dc80)c(7a)"},
	    {"\xd1z", "c(dcd1)c(7a)"},
	    {"\xe6\xbcz", "c(dce6)c(dcbc)c(7a)"},
	    {"\xed\xa0\x80", "c(dced)c(dca0)c(dc80)"}, /* a surrogate is no character */
	    {"\033[A\r", "c(1b)c(5b)c(41)c(d)"},
	    {"\033[20~", "c(1b)c(5b)c(32)c(30)c(7e)"},
	    {"a" BEGIN "word" END "b", "c(61)t(word)c(62)"},
	    {BEGIN END "b", "t()c(62)"},
	    {BEGIN "one\ntwo" END "b", "b(one\ntwo)c(62)"},
	    {BEGIN "one\r" END, "b(one\r)"},
	    {BEGIN "a" BEGIN "b" END, "t(a" BEGIN "b)"},
	    {BEGIN "\033[20" END BEGIN "\033" END, "t(\033[20)t(\033)"},
	    {END "a", "c(1b)c(5b)c(32)c(30)c(31)c(7e)c(61)"},
	};
	char told[512];

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		for (size_t step = 1; step <= strlen(cases[i].bytes); step++) {
			read_as(cases[i].bytes, strlen(cases[i].bytes), step, told, sizeof(told));
			assert_string_equal(told, cases[i].told);
		}
	}
}

/* A long one comes in pieces, all of which are blocks; nothing is lost where one is exactly full. */
static void test_pieces(void **state)
{
	static char bytes[3 * TYPING_PASTE_MAX], told[3 * TYPING_PASTE_MAX];

	(void)state;
	for (size_t len = TYPING_PASTE_MAX - 1; len <= TYPING_PASTE_MAX + 1; len++) {
		for (size_t step = 1; step <= TYPING_READ / 2; step += TYPING_READ / 2 - 1) {
			memcpy(bytes, BEGIN, 6);
			memset(bytes + 6, 'x', len);
			memcpy(bytes + 6 + len, END "y", 7);
			read_as(bytes, len + 13, step, told, sizeof(told));
			size_t count = 0;
			for (const char *at = told; *at; at++)
				count += *at == 'x';
			assert_int_equal(count, len);
			assert_int_equal(told[0], len > TYPING_PASTE_MAX ? 'b' : 't');
			assert_string_equal(told + strlen(told) - 5, "c(79)");
		}
	}
}

static void test_nul_is_no_text(void **state)
{
	static const char bytes[] = BEGIN "a\0b" END;
	char told[64];

	(void)state;
	read_as(bytes, sizeof(bytes) - 1, sizeof(bytes), told, sizeof(told));
	assert_string_equal(told, "b(a)");
}

static void test_wide_and_back(void **state)
{
	static const char bytes[] = "a\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"
	                            "\xff\xc0\xaf\xf5\x80\xd1";
	wchar_t *text = wide_from_bytes(bytes, sizeof(bytes) - 1);
	size_t len;

	(void)state;
	assert_non_null(text);
	char *back = wide_to_bytes(text, wcslen(text), &len);
	assert_non_null(back);
	assert_int_equal(len, sizeof(bytes) - 1);
	assert_memory_equal(back, bytes, sizeof(bytes));
	free(text);
	free(back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_events),
	    cmocka_unit_test(test_pieces),
	    cmocka_unit_test(test_nul_is_no_text),
	    cmocka_unit_test(test_wide_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
