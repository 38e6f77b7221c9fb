/* Stamps that are gathered, written, and put back when the store would not take them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stamps.h"

static int set_up(void **state)
{
	*state = calloc(1, sizeof(struct stamps));
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

/* What the account would be with the stamps written: the store's own sum, which stamps_apply must foresee. */
static struct account applied(const struct stamps *s, struct account before)
{
	stamps_apply(s, &before);
	return before;
}

static void a_login_ends_the_failures_before_it(void **state)
{
	struct stamps *s = *state;

	stamps_failure(s, "anna");
	stamps_failure(s, "anna");
	stamps_login(s, "anna", "127.0.0.1:5", 7);
	stamps_failure(s, "anna");
	struct account a =
	    applied(s, (struct account){.name = "anna", .logins = 10, .failures = 20, .last_login_us = 3});
	assert_int_equal(s->count, 1);
	assert_int_equal(a.logins, 11);
	assert_int_equal(a.failures, 1);
	assert_int_equal(a.last_login_us, 7);
	assert_string_equal(a.last_address, "127.0.0.1:5");
}

static void failures_alone_leave_the_last_login(void **state)
{
	struct stamps *s = *state;

	stamps_failure(s, "anna");
	struct account a = applied(
	    s,
	    (struct account){.name = "anna", .logins = 10, .failures = 20, .last_login_us = 3, .last_address = "::1"});
	assert_int_equal(a.logins, 10);
	assert_int_equal(a.failures, 21);
	assert_int_equal(a.last_login_us, 3);
	assert_string_equal(a.last_address, "::1");
	a = applied(s, (struct account){.name = "ben", .failures = 2});
	assert_int_equal(a.failures, 2);
}

static void beyond_the_most_stamps_are_dropped_and_counted(void **state)
{
	struct stamps *s = *state;
	struct account_stamp late = {.name = "later", .logins = 1};
	char name[32];

	for (int i = 0; i < STAMPS_MAX; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		stamps_failure(s, name);
	}
	stamps_login(s, "one more", "::1", 1);
	stamps_failure(s, "one more");
	stamps_return(s, &late, 1);
	assert_int_equal(s->count, STAMPS_MAX);
	assert_int_equal(s->dropped, 3);
	assert_null(stamps_find(s, "one more"));
	stamps_login(s, "n0", "::1", 1); /* who is noted already goes on being noted */
	assert_int_equal(stamps_find(s, "n0")->logins, 1);
	assert_int_equal(s->dropped, 3);
}

/* What one batch of the events says, and what two say of which the first came back, is the same, however they are cut.
 */
static void a_batch_that_comes_back_is_older_than_what_is_there(void **state)
{
	static struct stamps old_stamps, whole_stamps;
	struct stamps *now = *state, *old = &old_stamps, *whole = &whole_stamps;
	static const char events[] = "FFLFLLF"; /* failures and logins */
	const struct account before = {.name = "anna", .failures = 100, .last_login_us = 1, .last_address = "unix"};

	for (size_t cut = 0; cut < sizeof(events); cut++) {
		now->count = old->count = whole->count = 0;
		for (size_t i = 0; i < sizeof(events) - 1; i++) {
			struct stamps *both[] = {i < cut ? old : now, whole};
			for (size_t j = 0; j < 2; j++) {
				if (events[i] == 'L')
					stamps_login(both[j], "anna", i < 3 ? "::1" : "::2", 10 + (int64_t)i);
				else
					stamps_failure(both[j], "anna");
			}
		}
		stamps_return(now, old->stamp, old->count);
		struct account got = applied(now, before), expected = applied(whole, before);
		assert_int_equal(got.logins, expected.logins);
		assert_int_equal(got.failures, expected.failures);
		assert_int_equal(got.last_login_us, expected.last_login_us);
		assert_string_equal(got.last_address, expected.last_address);
	}
}

#define ON_STAMPS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    ON_STAMPS(a_login_ends_the_failures_before_it),
	    ON_STAMPS(failures_alone_leave_the_last_login),
	    ON_STAMPS(beyond_the_most_stamps_are_dropped_and_counted),
	    ON_STAMPS(a_batch_that_comes_back_is_older_than_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
