/* The chart's lines, as text. */
#include "chart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS         UINT64_C(1000000)
#define PICTURE    16384
#define BAR        "\u2502"
#define FULL       "\u28ff" /* both bars of a column, to the top */
#define LEFT_FULL  "\u2847"
#define LOWEST_TWO "\u28c0"

static struct chart chart;
static char picture[PICTURE];

static int empty(void **state)
{
	(void)state;
	memset(&chart, 0, sizeof(chart));
	return 0;
}

/* All lines, each with its end. */
static const char *draw(unsigned columns, unsigned rows, bool braille)
{
	struct chart_look look = {.columns = columns, .rows = rows, .braille = braille};
	FILE *f = fmemopen(picture, sizeof(picture), "w");

	assert_non_null(f);
	for (unsigned row = 0; row <= rows; row++) {
		chart_put_row(&chart, &look, row, f);
		fputc('\n', f);
	}
	fclose(f);
	return picture;
}

static void add_each(const uint64_t *times, size_t count)
{
	for (size_t i = 0; i < count; i++)
		chart_add(&chart, CHART_ECHOED, times[i]);
}

static void test_nothing_yet(void **state)
{
	(void)state;
	assert_string_equal(draw(CHART_LABEL + 4, 2, false), "   10 us|\n"
	                                                     "    5 us|\n"
	                                                     "    0   +----\n");
}

static void test_ascii(void **state)
{
	static const uint64_t times[] = {1 * MS, 3 * MS, 5 * MS, 10 * MS};

	(void)state;
	add_each(times, 4);
	assert_string_equal(draw(CHART_LABEL + 6, 2, false), "   10 ms|   :\n"
	                                                     "    5 ms|.:::\n"
	                                                     "    0   +------\n");
}

static void test_braille(void **state)
{
	static const uint64_t times[] = {8 * MS, 10 * MS, 1 * MS, 1 * MS, 10 * MS};

	(void)state;
	add_each(times, 5);
	assert_string_equal(draw(CHART_LABEL + 3, 1, true), "   10 ms" BAR FULL LOWEST_TWO LEFT_FULL "\n"
	                                                    "    0   \u2514\u2500\u2500\u2500\n");
}

static void test_the_scale_is_round_and_holds_all(void **state)
{
	static const struct {
		uint64_t ns, scale;
	} cases[] = {{1, 10000},         {10000, 10000},           {10001, 20000},
	             {20001, 50000},     {50001, 100000},          {1000000, 1000000},
	             {1000001, 2000000}, {3000000000, 5000000000}, {5000000001, 10000000000}};
	struct chart_look look = {.columns = 40, .rows = 4, .braille = true};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&chart, 0, sizeof(chart));
		chart_add(&chart, CHART_ECHOED, cases[i].ns);
		assert_int_equal(chart_scale_ns(&chart, &look), cases[i].scale);
	}
}

static void test_what_is_gone_leaves_a_gap_and_a_mark(void **state)
{
	(void)state;
	chart_add(&chart, CHART_ECHOED, MS);
	chart_add(&chart, CHART_GONE, 5 * MS);
	chart_add(&chart, CHART_LATE, MS);
	assert_string_equal(draw(CHART_LABEL + 3, 2, false), "    1 ms|: :\n"
	                                                     "  500 us|: :\n"
	                                                     "    0   +-x~\n");
	assert_string_equal(draw(CHART_LABEL + 3, 1, true), "    1 ms" BAR LEFT_FULL LEFT_FULL "\n"
	                                                    "    0   \u2514x~\u2500\n");
}

/* However long the unit's name is: the line stays where it is. */
static void test_the_label_has_its_width(void **state)
{
	(void)state;
	chart_add(&chart, CHART_LATE, 2000 * MS);
	assert_string_equal(draw(CHART_LABEL + 3, 2, false), "     2 s|:\n"
	                                                     "     1 s|:\n"
	                                                     "    0   +~--\n");
}

/* Old ones leave at the left, and with them the scale that they needed. */
static void test_it_scrolls(void **state)
{
	(void)state;
	chart_add(&chart, CHART_GONE, 0);
	chart_add(&chart, CHART_ECHOED, 500 * MS);
	for (int i = 0; i < 4; i++)
		chart_add(&chart, CHART_ECHOED, MS);
	assert_string_equal(draw(CHART_LABEL + 4, 2, false), "    1 ms|::::\n"
	                                                     "  500 us|::::\n"
	                                                     "    0   +----\n");
}

/* A bar stays in its half of a column when it moves. */
static void test_braille_scrolls_by_whole_columns(void **state)
{
	char before[PICTURE];

	(void)state;
	for (int i = 0; i < 7; i++)
		chart_add(&chart, CHART_ECHOED, i % 2 ? 10 * MS : 2 * MS);
	(void)snprintf(before, sizeof(before), "%s", draw(CHART_LABEL + 2, 1, true));
	chart_add(&chart, CHART_ECHOED, 10 * MS);
	assert_string_equal(before, "   10 ms" BAR "\u28f8\u2840\n    0   \u2514\u2500\u2500\n");
	assert_string_equal(draw(CHART_LABEL + 2, 1, true),
	                    "   10 ms" BAR "\u28f8\u28f8\n    0   \u2514\u2500\u2500\n");
}

/* Any number of samples, in any size. */
static void test_sizes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3 * CHART_SAMPLES; i++)
		chart_add(&chart, i % 97 ? CHART_ECHOED : CHART_GONE, i * 1000);
	for (unsigned columns = CHART_LABEL + 1; columns < 1000; columns += 37) {
		for (unsigned rows = 1; rows <= 12; rows++) {
			const char *line = draw(columns < 300 ? columns : 300, rows, false);
			for (unsigned row = 0; row <= rows; row++) {
				const char *end = strchr(line, '\n');
				assert_non_null(end);
				assert_true((unsigned)(end - line) <= columns);
				line = end + 1;
			}
		}
	}
	(void)draw(4000, 2, true);
	assert_non_null(strstr(picture, "\u2514"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_nothing_yet, empty),
	    cmocka_unit_test_setup(test_ascii, empty),
	    cmocka_unit_test_setup(test_braille, empty),
	    cmocka_unit_test_setup(test_the_scale_is_round_and_holds_all, empty),
	    cmocka_unit_test_setup(test_what_is_gone_leaves_a_gap_and_a_mark, empty),
	    cmocka_unit_test_setup(test_the_label_has_its_width, empty),
	    cmocka_unit_test_setup(test_it_scrolls, empty),
	    cmocka_unit_test_setup(test_braille_scrolls_by_whole_columns, empty),
	    cmocka_unit_test_setup(test_sizes, empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
