/* The budgets of failures, over hours of a made-up clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "throttle_fixture.h"

/* T27, over ten hours: a guess every 100 ms, each under another name. */
static void one_address_gets_ten_checks_and_six_a_minute(void **state)
{
	struct throttle *t = throttle_fixture_make(10, 1000000);
	uint64_t now = START_MS, checks = 0;
	char name[32];

	(void)state;
	for (uint64_t i = 0; now < START_MS + 10 * HOUR_MS; i++, now += 100) {
		snprintf(name, sizeof(name), "n%llu", (unsigned long long)i);
		checks += throttle_fixture_guess(t, throttle_fixture_v4(1), name, now, NULL);
		assert_true(checks <= 10 + 6 * (now - START_MS) / 60000);
	}
	assert_int_equal(checks, 10 + 10 * 360 - 1); /* the last one is due as the hours end */
	assert_int_equal(throttle_fixture_look(t, throttle_fixture_v4(2), "anna", now), THROTTLE_GO);
	assert_int_equal(throttle_fixture_look(t, throttle_fixture_v4(1), "anna", now + 100 * 1000), THROTTLE_GO);
	throttle_destroy(t);
}

static void a_refusal_says_when_the_next_check_is_made(void **state)
{
	struct throttle *t = throttle_fixture_make(10, 100);
	struct peer from = throttle_fixture_v4(1);
	struct throttle_claim c = throttle_claim(t, &from, "anna");
	uint64_t wait_ms;

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_true(throttle_fixture_guess(t, from, "anna", START_MS + (uint64_t)i, NULL));
	assert_int_equal(throttle_look(t, &c, START_MS + 9, &wait_ms), THROTTLE_NO);
	assert_int_equal(wait_ms, THROTTLE_REFILL_MS - 9);
	assert_int_equal(throttle_look(t, &c, START_MS + THROTTLE_REFILL_MS - 1, &wait_ms), THROTTLE_NO);
	assert_int_equal(wait_ms, 1);
	assert_int_equal(throttle_look(t, &c, START_MS + THROTTLE_REFILL_MS, &wait_ms), THROTTLE_GO);
	assert_int_equal(wait_ms, 0);
	throttle_destroy(t);
}

static void successes_cost_nothing(void **state)
{
	struct throttle *t = throttle_fixture_make(10, 100);
	struct peer from = throttle_fixture_v4(1);
	uint64_t wait_ms;

	(void)state;
	for (int i = 0; i < 9; i++)
		assert_true(throttle_fixture_guess(t, from, "anna", START_MS, NULL));
	for (int i = 0; i < 1000; i++) {
		struct throttle_claim c = throttle_claim(t, &from, i % 2 ? "ben" : "anna");
		assert_int_equal(throttle_take(t, &c, START_MS, &wait_ms), THROTTLE_GO);
		assert_int_equal(throttle_settle(t, &c, i % 3 ? THROTTLE_IN : THROTTLE_UNDECIDED, START_MS), 0);
	}
	assert_true(throttle_fixture_guess(t, from, "anna", START_MS, NULL)); /* and give nothing back */
	assert_false(throttle_fixture_guess(t, from, "anna", START_MS, NULL));
	throttle_destroy(t);
}

static void parallel_guesses_do_not_slip_through(void **state)
{
	struct throttle *t = throttle_fixture_make(10, 100);
	struct throttle_claim c[64];
	struct peer from = throttle_fixture_v4(1);
	uint64_t wait_ms;

	(void)state;
	for (int i = 0; i < 64; i++) {
		c[i] = throttle_claim(t, &from, "anna");
		enum throttle_answer answer = throttle_take(t, &c[i], START_MS, &wait_ms);
		assert_int_equal(answer, i < 10 ? THROTTLE_GO : THROTTLE_WAIT);
	}
	throttle_settle(t, &c[0], THROTTLE_IN, START_MS);
	assert_int_equal(throttle_take(t, &c[10], START_MS, &wait_ms), THROTTLE_GO);
	for (int i = 1; i <= 10; i++)
		throttle_settle(t, &c[i], THROTTLE_FAILED, START_MS);
	assert_int_equal(throttle_take(t, &c[11], START_MS, &wait_ms), THROTTLE_NO);
	throttle_destroy(t);
}

static void delays_mount_and_fade(void **state)
{
	static const uint64_t expected[] = {
	    THROTTLE_BLUR_MS, 2000, 4000, 8000, 15000, 15000, 15000, 15000, 15000, 15000};
	struct throttle *t = throttle_fixture_make(10, 100);
	uint64_t delay_ms;

	(void)state;
	for (size_t i = 0; i < array_size(expected); i++) {
		assert_true(throttle_fixture_guess(t, throttle_fixture_v4(1), "anna", START_MS, &delay_ms));
		assert_int_equal(delay_ms, expected[i]);
	}
	assert_true(throttle_fixture_guess(t, throttle_fixture_v4(1), "anna", START_MS + 80 * 1000,
	                                   &delay_ms)); /* two left, and this */
	assert_int_equal(delay_ms, 4000);
	assert_true(throttle_fixture_guess(t, throttle_fixture_v4(1), "anna", START_MS + HOUR_MS, &delay_ms));
	assert_int_equal(delay_ms, THROTTLE_BLUR_MS);
	throttle_destroy(t);
}

static void delays_can_be_off_and_have_an_end(void **state)
{
	struct throttle_limits limits = {.address_failures = 1000, .account_failures = 2000};
	struct throttle *t;
	uint64_t delay_ms;

	(void)state;
	assert_int_equal(throttle_create(&t, &limits, (const uint8_t *)"sixteen bytes..."), 0);
	for (int i = 0; i < 1000; i++) {
		assert_true(throttle_fixture_guess(t, throttle_fixture_v4(1), "anna", START_MS, &delay_ms));
		assert_int_equal(delay_ms, 0);
	}
	throttle_destroy(t);
	limits.delay_ms = HOUR_MS;
	assert_int_equal(throttle_create(&t, &limits, (const uint8_t *)"sixteen bytes..."), 0);
	for (int i = 0; i < 3; i++) {
		assert_true(throttle_fixture_guess(t, throttle_fixture_v4(1), "anna", START_MS, &delay_ms));
		assert_int_equal(delay_ms, i ? THROTTLE_DELAY_MAX_MS : THROTTLE_BLUR_MS);
	}
	throttle_destroy(t);
}

static void an_address_is_what_one_person_has(void **state)
{
	struct throttle *t = throttle_fixture_make(1, 100);
	struct peer anna = {.family = AF_UNIX, .scope = 1000}, ben = {.family = AF_UNIX, .scope = 1001};
	struct peer here = throttle_fixture_parse(AF_INET6, "fe80::1"), there = here;

	(void)state;
	assert_true(
	    throttle_fixture_guess(t, throttle_fixture_parse(AF_INET6, "2001:db8:1:2::1"), "a", START_MS, NULL));
	assert_false(throttle_fixture_guess(t, throttle_fixture_parse(AF_INET6, "2001:db8:1:2:ffff:ffff:ffff:ffff"),
	                                    "b", START_MS, NULL));
	assert_true(
	    throttle_fixture_guess(t, throttle_fixture_parse(AF_INET6, "2001:db8:1:3::1"), "c", START_MS, NULL));
	assert_true(throttle_fixture_guess(t, throttle_fixture_parse(AF_INET, "32.1.13.184"), "d", START_MS,
	                                   NULL)); /* the same first bytes */
	assert_false(throttle_fixture_guess(t, throttle_fixture_parse(AF_INET, "32.1.13.184"), "e", START_MS, NULL));
	assert_true(throttle_fixture_guess(t, throttle_fixture_parse(AF_INET, "32.1.13.185"), "f", START_MS, NULL));
	assert_true(throttle_fixture_guess(t, throttle_fixture_parse(AF_INET, "127.0.0.1"), "g", START_MS,
	                                   NULL)); /* nobody is left out */
	assert_false(throttle_fixture_guess(t, throttle_fixture_parse(AF_INET, "127.0.0.1"), "h", START_MS, NULL));
	assert_true(throttle_fixture_guess(t, anna, "i", START_MS, NULL));
	assert_false(throttle_fixture_guess(t, anna, "j", START_MS, NULL));
	assert_true(throttle_fixture_guess(t, ben, "k", START_MS, NULL));
	there.scope = 2;
	assert_true(throttle_fixture_guess(t, here, "l", START_MS, NULL));
	assert_true(throttle_fixture_guess(t, there, "m", START_MS, NULL));
	throttle_destroy(t);
}

/* T28: 500 addresses at one account for two hours, each as often as it may. */
static void one_name_gets_a_hundred_checks_and_then_the_slow_lane(void **state)
{
	struct throttle *t = throttle_fixture_make(10, 100);
	uint64_t checks = 0;
	struct peer owner = throttle_fixture_parse(AF_INET, "192.0.2.1");

	(void)state;
	throttle_remember(t, &owner, "anna", START_MS);
	for (uint64_t now = START_MS; now < START_MS + 2 * HOUR_MS; now += 500) {
		for (uint32_t i = 0; i < 500; i++)
			checks += throttle_fixture_guess(t, throttle_fixture_v4(i), "anna", now, NULL);
		assert_true(checks <= 100 + 6 * (now - START_MS) / 60000);
		assert_int_equal(throttle_fixture_look(t, owner, "anna", now), THROTTLE_GO);
		assert_int_equal(throttle_fixture_look(t, throttle_fixture_v4(1000), "ben", now), THROTTLE_GO);
		assert_int_equal(throttle_fixture_look(t, throttle_fixture_v4(1000), NULL, now),
		                 THROTTLE_GO); /* a token */
	}
	assert_true(checks > 100 + 6 * 119);
	throttle_destroy(t);
}

/* Nine guessers' addresses empty a name's budget; who has failed nothing lately gets the next turn before them. */
static void a_turn_of_the_slow_lane_goes_to_a_clean_address_first(void **state)
{
	struct throttle *t = throttle_fixture_make(10, 40);
	uint64_t now = START_MS;

	(void)state;
	for (int round = 0; round < 10; round++) {
		for (uint32_t i = 0; i < 9; i++)
			(void)throttle_fixture_guess(t, throttle_fixture_v4(i), "anna", now, NULL);
	}
	assert_int_equal(throttle_fixture_look(t, throttle_fixture_v4(100), "anna", now),
	                 THROTTLE_GO); /* the last turn is kept for such as that */
	assert_true(throttle_fixture_guess(t, throttle_fixture_v4(100), "anna", now, NULL));
	assert_int_equal(throttle_fixture_look(t, throttle_fixture_v4(101), "anna", now), THROTTLE_NO);
	now += THROTTLE_REFILL_MS;
	for (uint32_t i = 0; i < 9; i++)
		assert_int_equal(throttle_fixture_look(t, throttle_fixture_v4(i), "anna", now), THROTTLE_NO);
	assert_int_equal(throttle_fixture_look(t, throttle_fixture_v4(101), "anna", now), THROTTLE_GO);
	throttle_destroy(t);
}

static void an_address_is_known_to_the_names_it_logged_in_to(void **state)
{
	struct throttle *t = throttle_fixture_make(1000, 1);

	(void)state;
	for (uint32_t i = 0; i <= THROTTLE_KNOWN; i++) {
		struct peer from = throttle_fixture_v4(i);
		throttle_remember(t, &from, "anna", START_MS);
		from = throttle_fixture_v4(0); /* the one that is always there */
		throttle_remember(t, &from, "anna", START_MS);
	}
	assert_true(throttle_fixture_guess(t, throttle_fixture_v4(99), "anna", START_MS, NULL));
	assert_true(throttle_fixture_guess(t, throttle_fixture_v4(99), "ben", START_MS, NULL));
	assert_int_equal(throttle_fixture_look(t, throttle_fixture_v4(0), "anna", START_MS), THROTTLE_GO);
	assert_int_equal(throttle_fixture_look(t, throttle_fixture_v4(THROTTLE_KNOWN), "anna", START_MS), THROTTLE_GO);
	assert_int_equal(throttle_fixture_look(t, throttle_fixture_v4(1), "anna", START_MS),
	                 THROTTLE_NO); /* so many others came after it */
	assert_int_equal(throttle_fixture_look(t, throttle_fixture_v4(0), "ben", START_MS), THROTTLE_NO);
	throttle_destroy(t);
}

/* A token has no name, is not counted as under way, and costs its address when it is none. */
static void tokens_that_are_none_cost_their_address(void **state)
{
	struct throttle *t = throttle_fixture_make(10, 100);
	struct peer from = throttle_fixture_v4(1);
	uint64_t wait_ms;

	(void)state;
	for (int i = 0; i < 10; i++) {
		struct throttle_claim c = throttle_claim(t, &from, NULL);
		assert_int_equal(throttle_look(t, &c, START_MS, &wait_ms), THROTTLE_GO);
		assert_int_equal(throttle_settle(t, &c, THROTTLE_FAILED, START_MS) >= 2000, i > 0);
	}
	assert_int_equal(throttle_fixture_look(t, from, NULL, START_MS), THROTTLE_NO);
	assert_int_equal(throttle_fixture_look(t, from, "anna", START_MS), THROTTLE_NO);
	throttle_destroy(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_address_gets_ten_checks_and_six_a_minute),
	    cmocka_unit_test(a_refusal_says_when_the_next_check_is_made),
	    cmocka_unit_test(successes_cost_nothing),
	    cmocka_unit_test(parallel_guesses_do_not_slip_through),
	    cmocka_unit_test(delays_mount_and_fade),
	    cmocka_unit_test(delays_can_be_off_and_have_an_end),
	    cmocka_unit_test(an_address_is_what_one_person_has),
	    cmocka_unit_test(one_name_gets_a_hundred_checks_and_then_the_slow_lane),
	    cmocka_unit_test(a_turn_of_the_slow_lane_goes_to_a_clean_address_first),
	    cmocka_unit_test(an_address_is_known_to_the_names_it_logged_in_to),
	    cmocka_unit_test(tokens_that_are_none_cost_their_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
