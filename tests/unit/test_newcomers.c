/* How many accounts each address has made of late. */
#include "newcomers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "password.h"

#define HOUR NEWCOMERS_HOUR_MS

static int set_up(void **state)
{
	struct newcomers *n = calloc(1, sizeof(*n));

	newcomers_init(n);
	*state = n;
	return 0;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

static struct peer v4(uint32_t address)
{
	struct peer p = {.family = AF_INET, .port = (uint16_t)address};

	for (int i = 0; i < 4; i++) /* so that the last byte differs soonest */
		p.ip[3 - i] = (uint8_t)(address >> 8 * i);
	return p;
}

static struct peer v6(uint8_t network, uint8_t host)
{
	struct peer p = {.family = AF_INET6};

	p.ip[7] = network;
	p.ip[15] = host;
	return p;
}

static void so_many_in_an_hour(void **state)
{
	struct newcomers *n = *state;
	struct peer a = v4(1), b = v4(2);

	for (uint64_t i = 0; i < 10; i++)
		assert_true(newcomers_admit(n, &a, 10, 5000 + i * HOUR / 20));
	assert_false(newcomers_admit(n, &a, 10, 5000 + HOUR / 2));
	assert_true(newcomers_admit(n, &b, 10, 5000 + HOUR / 2));
	assert_false(newcomers_admit(n, &a, 10, 5000 + HOUR - 1));
	for (int i = 0; i < 10; i++)
		assert_true(newcomers_admit(n, &a, 10, 5000 + HOUR));
	assert_false(newcomers_admit(n, &a, 10, 5000 + HOUR));
}

static void what_was_not_made_does_not_count(void **state)
{
	struct newcomers *n = *state;
	struct peer a = v4(1);

	newcomers_take_back(n, &a, 1);
	for (int i = 0; i < 100; i++) {
		assert_true(newcomers_admit(n, &a, 2, 1));
		newcomers_take_back(n, &a, 1);
	}
	assert_true(newcomers_admit(n, &a, 2, 1));
	assert_true(newcomers_admit(n, &a, 2, 1));
	assert_false(newcomers_admit(n, &a, 2, 1));
	newcomers_take_back(n, &a, HOUR + 1); /* too late to matter */
	assert_false(newcomers_admit(n, &a, 2, HOUR));
}

static void an_address_is_a_network_a_host_or_a_user(void **state)
{
	struct newcomers *n = *state;
	struct peer one = v6(1, 1), same = v6(1, 2), other = v6(2, 1);
	struct peer user = {.family = AF_UNIX, .scope = 1000}, root = {.family = AF_UNIX, .scope = 0};
	struct peer here = v4(7), again = v4(7);

	assert_true(newcomers_admit(n, &one, 1, 1));
	assert_false(newcomers_admit(n, &same, 1, 1));
	assert_true(newcomers_admit(n, &other, 1, 1));
	assert_true(newcomers_admit(n, &user, 1, 1));
	assert_true(newcomers_admit(n, &root, 1, 1));
	assert_false(newcomers_admit(n, &user, 1, 1));
	again.port = 4711;
	assert_true(newcomers_admit(n, &here, 1, 1));
	assert_false(newcomers_admit(n, &again, 1, 1));
}

/* Nobody is refused for want of room, and whoever came last is not forgotten. */
static void a_full_table_forgets_the_oldest(void **state)
{
	struct newcomers *n = *state;
	uint32_t many = 4 * NEWCOMERS_SETS * NEWCOMERS_WAYS;

	for (uint32_t i = 0; i < many; i++) {
		struct peer p = v4(i);
		assert_true(newcomers_admit(n, &p, 1, i));
		assert_false(newcomers_admit(n, &p, 1, i));
	}
	uint32_t known = 0;
	for (uint32_t i = many - 1000; i < many; i++) {
		struct peer p = v4(i);
		known += !newcomers_admit(n, &p, 1, many);
	}
	assert_int_equal(known, 1000);
}

#define WITH_TABLE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_TABLE(so_many_in_an_hour),
	    WITH_TABLE(what_was_not_made_does_not_count),
	    WITH_TABLE(an_address_is_a_network_a_host_or_a_user),
	    WITH_TABLE(a_full_table_forgets_the_oldest),
	};

	if (password_init())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
