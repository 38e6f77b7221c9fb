/* The throttle's tables: full ones, random events beside a model that counts tokens, and what an administrator sees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "throttle_fixture.h"

static int allocations_left = -1; /* -1: all succeed */

static bool may_allocate(void)
{
	if (allocations_left == 0)
		return false;
	allocations_left -= allocations_left > 0;
	return true;
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
	return may_allocate() ? __real_calloc(n, size) : NULL;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
	return may_allocate() ? __real_malloc(size) : NULL;
}

/* Whoever fails from more addresses than there is room for pushes out his own, one failure each, and not the big debts.
 */
static void a_flood_of_addresses_forgets_the_smallest_debts(void **state)
{
	struct throttle *t = throttle_fixture_make(10, 1000000);

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_true(throttle_fixture_guess(t, throttle_fixture_v4(0), "anna", START_MS, NULL));
	for (uint32_t i = 1; i < THROTTLE_ENTRIES; i++)
		assert_true(throttle_fixture_guess(t, throttle_fixture_v4(i), "anna", START_MS + 1, NULL));
	assert_int_equal(throttle_forgotten(t), 0);
	for (uint32_t i = THROTTLE_ENTRIES; i <= 3 * THROTTLE_ENTRIES; i++)
		assert_true(throttle_fixture_guess(t, throttle_fixture_v4(i), "anna", START_MS + 1, NULL));
	assert_int_equal(throttle_forgotten(t), 2 * THROTTLE_ENTRIES + 1);
	assert_int_equal(throttle_fixture_look(t, throttle_fixture_v4(0), "anna", START_MS + 1), THROTTLE_NO);
	throttle_destroy(t);
}

static void a_flood_of_names_forgets_the_smallest_debts(void **state)
{
	struct throttle *t = throttle_fixture_make(1000000, 5);
	char name[32];

	(void)state;
	for (uint32_t i = 0; i < 5; i++)
		assert_true(throttle_fixture_guess(t, throttle_fixture_v4(i), "anna", START_MS, NULL));
	for (uint32_t i = 0; i < 2 * THROTTLE_ENTRIES; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		assert_true(throttle_fixture_guess(t, throttle_fixture_v4(i), name, START_MS + 1, NULL));
	}
	assert_int_equal(throttle_fixture_look(t, throttle_fixture_v4(999999), "anna", START_MS + 1), THROTTLE_NO);
	assert_true(throttle_forgotten(t) > THROTTLE_ENTRIES);
	uint64_t before = throttle_forgotten(t); /* what is full again does not count */
	assert_true(throttle_fixture_guess(t, throttle_fixture_v4(999999), "late", START_MS + HOUR_MS, NULL));
	assert_int_equal(throttle_forgotten(t), before);
	throttle_destroy(t);
}

static void the_longest_away_is_no_longer_known(void **state)
{
	struct throttle *t = throttle_fixture_make(1000000, 1);
	struct peer from = throttle_fixture_v4(1);
	char name[32];

	(void)state;
	throttle_remember(t, &from, "early", START_MS);
	throttle_remember(t, &from, "late", START_MS);
	for (uint32_t i = 0; i < THROTTLE_ENTRIES - 1; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		throttle_remember(t, &from, name, START_MS + 2);
		throttle_remember(t, &from, "late", START_MS + 2);
	}
	throttle_remember(t, &from, "older", START_MS + 1);
	assert_true(throttle_fixture_guess(t, throttle_fixture_v4(9), "older", START_MS + 2, NULL));
	assert_int_equal(throttle_fixture_look(t, from, "older", START_MS + 2), THROTTLE_NO);
	assert_true(throttle_fixture_guess(t, throttle_fixture_v4(9), "early", START_MS + 2, NULL));
	assert_true(throttle_fixture_guess(t, throttle_fixture_v4(9), "late", START_MS + 2, NULL));
	assert_int_equal(throttle_fixture_look(t, from, "early", START_MS + 2), THROTTLE_NO);
	assert_int_equal(throttle_fixture_look(t, from, "late", START_MS + 2), THROTTLE_GO);
	throttle_destroy(t);
}

/* Tokens as they are taught: a number that time raises. All in ms of refill. */
struct tokens {
	int64_t have, most;
	uint64_t at_ms;
	int64_t under_way;
};

static enum throttle_answer model_afford(struct tokens *k, int64_t spare, uint64_t now_ms)
{
	k->have += (int64_t)(now_ms - k->at_ms);
	k->at_ms = now_ms;
	if (k->have > k->most)
		k->have = k->most;
	int64_t wanted = (1 + spare) * THROTTLE_REFILL_MS;
	return k->have < wanted                                       ? THROTTLE_NO
	       : k->have < wanted + k->under_way * THROTTLE_REFILL_MS ? THROTTLE_WAIT
	                                                              : THROTTLE_GO;
}

#define ADDRESSES 6
#define NAMES     4
#define CHECKS    12

struct model {
	struct tokens address[ADDRESSES], name[NAMES];
	bool known[ADDRESSES][NAMES];
};

static enum throttle_answer model_look(struct model *m, uint32_t a, uint32_t n, uint64_t now_ms)
{
	enum throttle_answer of_address = model_afford(&m->address[a], 0, now_ms);
	enum throttle_answer of_name = model_afford(&m->name[n], m->address[a].have < m->address[a].most, now_ms);

	return m->known[a][n] || of_name < of_address ? of_address : of_name;
}

static void model_begin(struct model *m, uint32_t a, uint32_t n, int by)
{
	m->address[a].under_way += by;
	m->name[n].under_way += by;
}

static void model_fail(struct model *m, uint32_t a, uint32_t n, uint64_t now_ms)
{
	(void)model_look(m, a, n, now_ms); /* brings the tokens up to date */
	m->address[a].have -= THROTTLE_REFILL_MS;
	m->name[n].have -= THROTTLE_REFILL_MS;
}

struct check {
	bool under_way;
	uint32_t address, name;
	struct throttle_claim claim;
};

static void step(struct throttle *t, struct model *m, struct check *c, uint64_t now_ms)
{
	static const char *const names[NAMES] = {"anna", "ben", "carl", "dora"};
	uint64_t wait_ms;

	if (!c->under_way) {
		c->address = throttle_fixture_random_below(ADDRESSES);
		c->name = throttle_fixture_random_below(NAMES);
		struct peer from = throttle_fixture_v4(c->address);
		c->claim = throttle_claim(t, &from, names[c->name]);
		enum throttle_answer expected = model_look(m, c->address, c->name, now_ms);
		assert_int_equal(throttle_take(t, &c->claim, now_ms, &wait_ms), expected);
		c->under_way = expected == THROTTLE_GO;
		if (c->under_way)
			model_begin(m, c->address, c->name, 1);
		return;
	}
	bool fails = throttle_fixture_random_below(10) > 0;
	model_begin(m, c->address, c->name, -1);
	if (fails)
		model_fail(m, c->address, c->name, now_ms);
	throttle_settle(t, &c->claim, fails ? THROTTLE_FAILED : THROTTLE_IN, now_ms);
	c->under_way = false;
	if (!fails && throttle_fixture_random_below(50) == 0) {
		struct peer from = throttle_fixture_v4(c->address);
		throttle_remember(t, &from, names[c->name], now_ms);
		m->known[c->address][c->name] = true;
	}
}

static void it_does_what_a_model_does(void **state)
{
	struct throttle *t = throttle_fixture_make(5, 20);
	struct check checks[CHECKS] = {0};
	struct model m = {0};
	uint64_t now = START_MS;

	(void)state;
	throttle_fixture_seed();
	for (int i = 0; i < ADDRESSES; i++)
		m.address[i] =
		    (struct tokens){.have = 5 * THROTTLE_REFILL_MS, .most = 5 * THROTTLE_REFILL_MS, .at_ms = now};
	for (int i = 0; i < NAMES; i++)
		m.name[i] =
		    (struct tokens){.have = 20 * THROTTLE_REFILL_MS, .most = 20 * THROTTLE_REFILL_MS, .at_ms = now};
	for (int i = 0; i < 300000; i++) {
		step(t, &m, &checks[throttle_fixture_random_below(CHECKS)], now);
		now += throttle_fixture_random_below(100) == 0 ? throttle_fixture_random_below(200000)
		                                               : throttle_fixture_random_below(2000);
	}
	throttle_destroy(t);
}

struct lines {
	uint32_t count;
	char text[8][ORDER_TEXT_MAX];
};

static void keep_line(void *arg, const char line[ORDER_TEXT_MAX])
{
	struct lines *lines = arg;

	assert_true(lines->count < array_size(lines->text));
	memcpy(lines->text[lines->count++], line, ORDER_TEXT_MAX);
}

static void penalties_are_listed_worst_first(void **state)
{
	struct throttle *t = throttle_fixture_make(3, 100);
	struct peer zoned = throttle_fixture_parse(AF_INET6, "fe80::1");
	struct lines lines = {0};

	(void)state;
	zoned.scope = 7;
	for (int i = 0; i < 3; i++)
		assert_true(throttle_fixture_guess(t, throttle_fixture_v4(1), "anna", START_MS, NULL));
	for (int i = 0; i < 2; i++)
		assert_true(
		    throttle_fixture_guess(t, throttle_fixture_parse(AF_INET6, "2001:db8::1"), "anna", START_MS, NULL));
	assert_true(throttle_fixture_guess(t, zoned, "ben", START_MS, NULL));
	assert_int_equal(throttle_list(t, START_MS + 1, 2, keep_line, &lines), 5);
	assert_int_equal(lines.count, 4);
	assert_string_equal(lines.text[0],
	                    "{\"kind\": \"address\", \"who\": \"10.0.0.1\", \"failures\": 3, \"wait_s\": 10}");
	assert_string_equal(lines.text[1],
	                    "{\"kind\": \"address\", \"who\": \"2001:db8::/64\", \"failures\": 2, \"wait_s\": 0}");
	assert_non_null(strstr(lines.text[2], "{\"kind\": \"account\", \"who\": \""));
	assert_non_null(strstr(lines.text[2], "\", \"failures\": 5, \"wait_s\": 0}"));
	lines.count = 0;
	assert_int_equal(throttle_list(t, START_MS + 10001, 8, keep_line, &lines), 3);
	lines.count = 0;
	assert_true(throttle_fixture_guess(t, zoned, "ben", START_MS + 2 * HOUR_MS, NULL));
	assert_int_equal(throttle_list(t, START_MS + 2 * HOUR_MS, 8, keep_line, &lines), 2);
	assert_non_null(strstr(lines.text[0], "\"fe80::%7/64\""));
	throttle_destroy(t);
}

static void penalties_are_cleared_and_checks_go_on(void **state)
{
	struct throttle *t = throttle_fixture_make(3, 4);
	struct peer from = throttle_fixture_v4(1);
	struct throttle_claim c = throttle_claim(t, &from, "anna");
	uint64_t wait_ms;

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_true(throttle_fixture_guess(t, from, "anna", START_MS, NULL));
	for (uint32_t i = 0; i < 3; i++)
		assert_true(throttle_fixture_guess(t, throttle_fixture_v4(2), "ben", START_MS, NULL));
	c = throttle_claim(t, &from, "carl");
	assert_int_equal(throttle_take(t, &c, START_MS, &wait_ms), THROTTLE_GO);
	assert_int_equal(throttle_clear(t, START_MS), 4);
	assert_int_equal(throttle_clear(t, START_MS), 0);
	assert_int_equal(throttle_fixture_look(t, throttle_fixture_v4(2), "ben", START_MS), THROTTLE_GO);
	throttle_settle(t, &c, THROTTLE_FAILED, START_MS);
	for (int i = 0; i < 2; i++)
		assert_true(throttle_fixture_guess(t, from, "anna", START_MS, NULL));
	assert_false(throttle_fixture_guess(t, from, "dora", START_MS, NULL));
	throttle_destroy(t);
}

static void without_memory_nothing_is_promised(void **state)
{
	const struct throttle_limits limits = {.address_failures = 1, .account_failures = 1};
	struct throttle *t;

	(void)state;
	for (int allowed = 0; allowed < 10; allowed++) {
		allocations_left = allowed;
		int err = throttle_create(&t, &limits, (const uint8_t *)"sixteen bytes...");
		allocations_left = -1;
		assert_int_equal(err, -ENOMEM);
	}
	t = throttle_fixture_make(1, 1);
	allocations_left = 0;
	int count = throttle_list(t, START_MS, 1, keep_line, NULL);
	allocations_left = -1;
	assert_int_equal(count, -ENOMEM);
	throttle_destroy(t);
	throttle_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_flood_of_addresses_forgets_the_smallest_debts),
	    cmocka_unit_test(a_flood_of_names_forgets_the_smallest_debts),
	    cmocka_unit_test(the_longest_away_is_no_longer_known),
	    cmocka_unit_test(it_does_what_a_model_does),
	    cmocka_unit_test(penalties_are_listed_worst_first),
	    cmocka_unit_test(penalties_are_cleared_and_checks_go_on),
	    cmocka_unit_test(without_memory_nothing_is_promised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
