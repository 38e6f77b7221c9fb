/* Resume tokens as values: as the server says them, and as they stand in a file. */
#include "token.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "must.h"

#define TEXT   "abcdefghijklmnopqrstuvwxyz0123456789ABCDE-_"
#define EXPIRY "2026-01-02T03:04:05Z"
#define AT     1767323045

static void test_parse(void **state)
{
	static const char *const good[] = {TEXT " " EXPIRY, TEXT " 2026-01-02T03:04:05.5Z",
	                                   TEXT " 2026-01-02T03:04:05.123456Z"};
	static const char *const bad[] = {"",
	                                  TEXT,
	                                  TEXT " ",
	                                  TEXT "  " EXPIRY,
	                                  TEXT "x " EXPIRY,
	                                  "x" EXPIRY,
	                                  TEXT " 2026-01-02T03:04:05",
	                                  TEXT " 2026-01-02T03:04:05.Z",
	                                  TEXT " 2026-01-02T03:04:05z",
	                                  TEXT " 2026-01-02T03:04:05+00:00",
	                                  TEXT " 2026-01-02 03:04:05Z",
	                                  TEXT " 2026-02-29T03:04:05Z",
	                                  TEXT " 2026-13-01T03:04:05Z",
	                                  TEXT " 2026-00-01T03:04:05Z",
	                                  TEXT " 2026-01-00T03:04:05Z",
	                                  TEXT " 2026-01-02T24:00:00Z",
	                                  TEXT " 2026-01-02T03:60:00Z",
	                                  TEXT " 2026-01-02T03:04:60Z",
	                                  TEXT " " EXPIRY " ",
	                                  "abcdefghijklmnopqrstuvwxyz0123456789ABCDE+/ " EXPIRY};

	(void)state;
	for (size_t i = 0; i < array_size(good); i++) {
		struct token t = {0};
		assert_true(token_parse(&t, good[i], strlen(good[i])));
		assert_string_equal(t.text, TEXT);
		assert_int_equal(t.expires_s, AT);
	}
	for (size_t i = 0; i < array_size(bad); i++) {
		struct token t = {.text = "before", .expires_s = 1};
		assert_false(token_parse(&t, bad[i], strlen(bad[i])));
		assert_string_equal(t.text, "before");
	}
}

static void test_goodness(void **state)
{
	struct token t = {0};

	(void)state;
	assert_false(token_is_good(&t, -1));
	assert_true(token_parse(&t, TEXT " " EXPIRY, sizeof(TEXT " " EXPIRY) - 1));
	assert_true(token_is_good(&t, AT - 1));
	assert_false(token_is_good(&t, AT));
	token_forget(&t);
	assert_false(token_is_good(&t, 0));
	for (size_t i = 0; i < sizeof(t); i++)
		assert_int_equal(((const uint8_t *)&t)[i], 0);
}

static void test_file(void **state)
{
	struct token t = {.expires_s = AT}, back = {0};
	char text[TOKEN_FILE_MAX];

	(void)state;
	memcpy(t.text, TEXT, sizeof(t.text));
	int n = token_format_file(text, &t, "127.0.0.1:7862", "анна");
	assert_true(n > 0);
	assert_string_equal(text, TEXT " " EXPIRY "\nserver 127.0.0.1:7862\nuser анна\n");
	for (int len = 0; len < n; len++) /* a part of it is none */
		assert_false(token_parse_file(&back, text, (size_t)len, "127.0.0.1:7862", "анна"));
	assert_false(token_parse_file(&back, text, (size_t)n + 1, "127.0.0.1:7862", "анна"));
	assert_false(token_parse_file(&back, text, (size_t)n, "127.0.0.1:7863", "анна"));
	assert_false(token_parse_file(&back, text, (size_t)n, "127.0.0.1:786", "анна"));
	assert_false(token_parse_file(&back, text, (size_t)n, "127.0.0.1:7862", "анн"));
	assert_int_equal(*back.text, 0);
	assert_true(token_parse_file(&back, text, (size_t)n, "127.0.0.1:7862", "анна"));
	assert_memory_equal(&back, &t, sizeof(t));
	/* A successor is as long: it can be written over it. */
	t.expires_s = INT64_C(253402300799);
	assert_int_equal(token_format_file(text, &t, "127.0.0.1:7862", "анна"), n);
}

static void test_file_that_cannot_be(void **state)
{
	struct token t = {.text = TEXT, .expires_s = AT};
	char text[TOKEN_FILE_MAX], name[TOKEN_FILE_MAX];

	(void)state;
	assert_int_equal(token_format_file(text, &t, "unix:/a\nb", "anna"), -EINVAL);
	assert_int_equal(token_format_file(text, &t, "unix:/a", "an\nna"), -EINVAL);
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(token_format_file(text, &t, "unix:/a", name), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_goodness),
	    cmocka_unit_test(test_file),
	    cmocka_unit_test(test_file_that_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
