/* The writer of JSON, and the widths of words. */
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "json.h"
#include "words.h"

static void test_a_string(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	json_string(f, "a\"\\\n\x1b\x7f\xc2\x85\xff \xe2\x80\xae\xc3\xa9 \xe7\x8e\x8b\xf0\x9f\x98\x80");
	fclose(f);
	assert_string_equal(
	    text, "\"a\\\"\\\\\\u000a\\u001b\\u007f\\u0085\\ufffd \\u202e\xc3\xa9 \xe7\x8e\x8b\xf0\x9f\x98\x80\"");
	free(text);
}

static void test_a_document(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	struct json j;

	(void)state;
	json_begin(&j, f);
	json_text(&j, "a", "b");
	json_open(&j, "c");
	json_count(&j, "d", UINT64_MAX);
	json_open_list(&j, "e");
	json_close_list(&j);
	json_close(&j);
	json_open_list(&j, "f");
	json_integer(&j, NULL, -1);
	json_real(&j, NULL, 0.5);
	json_real(&j, NULL, (double)NAN);
	json_real(&j, NULL, (double)INFINITY);
	json_open(&j, NULL);
	json_close(&j);
	json_bool(&j, NULL, true);
	json_close_list(&j);
	json_count_or_null(&j, "g", false, 7);
	json_text(&j, "h", NULL);
	json_wall(&j, "i", 0);
	json_wall(&j, "j", 1);
	json_end(&j);
	fclose(f);
	assert_string_equal(text,
	                    "{\"a\": \"b\", \"c\": {\"d\": 18446744073709551615, \"e\": []}, \"f\": [-1, 0.500000, "
	                    "null, null, {}, true], \"g\": null, \"h\": null, \"i\": null, \"j\": "
	                    "\"1970-01-01T00:00:00.000001Z\"}\n");
	free(text);
}

static void test_widths(void **state)
{
	(void)state;
	assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
	assert_int_equal(words_width(""), 0);
	assert_int_equal(words_width("abc"), 3);
	assert_int_equal(words_width("\xd0\xbf\xd1\x80\xd0\xb8"), 3); /* Cyrillic */
	assert_int_equal(words_width("\xe7\x8e\x8b"), 2);             /* wide */
	assert_int_equal(words_width("e\xcc\x81"), 1);                /* a combining accent */
	assert_int_equal(words_width("\xff\xd0"), 2);                 /* nothing of UTF-8 */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_string),
	    cmocka_unit_test(test_a_document),
	    cmocka_unit_test(test_widths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
