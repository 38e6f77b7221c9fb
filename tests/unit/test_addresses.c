/* The table of addresses: limits, rates, its bound, and random life against a model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "addresses.h"

static const uint64_t seed[4] = {0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9, 0x94d049bb133111eb, 0x2545f4914f6cdd1d};

static struct peer v4(uint32_t ip)
{
	struct peer p = {.family = AF_INET, .port = (uint16_t)rand()};
	uint32_t n = htonl(ip);

	memcpy(p.ip, &n, 4);
	return p;
}

static struct peer v6(const char *ip)
{
	struct peer p = {.family = AF_INET6, .port = (uint16_t)rand()};

	assert_int_equal(inet_pton(AF_INET6, ip, p.ip), 1);
	return p;
}

static struct addresses *make(uint32_t live, uint32_t most, uint32_t rate)
{
	struct addresses *a;

	assert_int_equal(addresses_create(&a, live, most, rate, seed), 0);
	return a;
}

static void test_connections_of_an_address(void **state)
{
	struct addresses *a = make(10, 3, 0);
	struct peer one = v4(0x0a000001), other = v4(0x0a000002);

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(addresses_enter(a, &one, 0), ADDRESSES_IN);
	assert_int_equal(addresses_enter(a, &one, 0), ADDRESSES_TOO_MANY);
	assert_int_equal(addresses_enter(a, &other, 0), ADDRESSES_IN);
	assert_int_equal(addresses_live(a), 2);
	addresses_leave(a, &one);
	assert_int_equal(addresses_enter(a, &one, 0), ADDRESSES_IN);
	assert_int_equal(addresses_enter(a, &one, 0), ADDRESSES_TOO_MANY);
	for (int i = 0; i < 3; i++)
		addresses_leave(a, &one);
	addresses_leave(a, &other);
	assert_int_equal(addresses_live(a), 0);
	addresses_destroy(a);
}

/* IPv6 by /64; IPv4, IPv6 and user ids with the same bytes are three. */
static void test_what_is_one_address(void **state)
{
	struct addresses *a = make(10, 1, 0);
	struct peer one = v6("2001:db8:1:2::1"), same = v6("2001:db8:1:2:ffff::2"), next = v6("2001:db8:1:3::1");
	struct peer as_v6 = v6("a00:1::"), as_v4 = v4(0x0a000001), as_user = {.family = AF_UNIX, .scope = 0x0100000a};

	(void)state;
	assert_int_equal(addresses_enter(a, &one, 0), ADDRESSES_IN);
	assert_int_equal(addresses_enter(a, &same, 0), ADDRESSES_TOO_MANY);
	assert_int_equal(addresses_enter(a, &next, 0), ADDRESSES_IN);
	assert_int_equal(addresses_enter(a, &as_v6, 0), ADDRESSES_IN);
	assert_int_equal(addresses_enter(a, &as_v4, 0), ADDRESSES_IN);
	assert_int_equal(addresses_enter(a, &as_user, 0), ADDRESSES_IN);
	assert_int_equal(addresses_live(a), 5);
	addresses_destroy(a);
}

static void test_rate_of_an_address(void **state)
{
	struct addresses *a = make(100, 0, 10);
	struct peer one = v4(1), other = v4(2);
	uint64_t now_ms = 5000;

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(addresses_enter(a, &one, now_ms), ADDRESSES_IN);
	assert_int_equal(addresses_enter(a, &one, now_ms), ADDRESSES_TOO_FAST);
	assert_int_equal(addresses_enter(a, &other, now_ms), ADDRESSES_IN);
	assert_int_equal(addresses_enter(a, &one, now_ms + 99), ADDRESSES_TOO_FAST);
	assert_int_equal(addresses_enter(a, &one, now_ms + 100), ADDRESSES_IN);
	assert_int_equal(addresses_enter(a, &one, now_ms + 100), ADDRESSES_TOO_FAST);
	assert_int_equal(addresses_enter(a, &one, now_ms + 50), ADDRESSES_TOO_FAST); /* another worker's clock */
	for (int i = 0; i < 10; i++) /* not more than a second's worth, however long it was silent */
		assert_int_equal(addresses_enter(a, &one, now_ms + 60000), ADDRESSES_IN);
	assert_int_equal(addresses_enter(a, &one, now_ms + 60000), ADDRESSES_TOO_FAST);
	addresses_destroy(a);
}

/* One that has no connection any more is remembered for its rate, until too many others came. */
static void test_the_table_is_bounded(void **state)
{
	struct addresses *a = make(4, 0, 1);
	struct peer first = v4(1), last = v4(2), lives = v4(3);

	(void)state;
	assert_int_equal(addresses_enter(a, &lives, 0), ADDRESSES_IN);
	assert_int_equal(addresses_enter(a, &first, 0), ADDRESSES_IN);
	addresses_leave(a, &first);
	assert_int_equal(addresses_enter(a, &last, 0), ADDRESSES_IN);
	addresses_leave(a, &last);
	for (uint32_t i = 0; i < ADDRESSES_IDLE_MAX - 2; i++) {
		struct peer p = v4(0x0a000000 + i);
		assert_int_equal(addresses_enter(a, &p, 0), ADDRESSES_IN);
		addresses_leave(a, &p);
	}
	assert_int_equal(addresses_enter(a, &first, 0), ADDRESSES_TOO_FAST); /* and so is no longer the oldest */
	for (uint32_t i = 0; i < 100; i++) {
		struct peer p = v4(0x0b000000 + i);
		assert_int_equal(addresses_enter(a, &p, 0), ADDRESSES_IN);
		addresses_leave(a, &p);
	}
	assert_int_equal(addresses_enter(a, &first, 0), ADDRESSES_TOO_FAST);
	assert_int_equal(addresses_enter(a, &last, 0), ADDRESSES_IN);        /* forgotten */
	assert_int_equal(addresses_enter(a, &lives, 0), ADDRESSES_TOO_FAST); /* never forgotten */
	assert_int_equal(addresses_live(a), 2);
	addresses_destroy(a);
}

#define HOSTS 3000
#define LIVE  600

/* Any life of connections and logins: the counts are those of a table that never forgets. */
static void test_random_life(void **state)
{
	static uint32_t connections[HOSTS], logins[HOSTS], number[HOSTS];
	const char *given = getenv("TEST_SEED");
	unsigned start = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
	struct addresses *a = make(LIVE, 4, 0);
	uint32_t sum = 0;

	(void)state;
	printf("TEST_SEED=%u\n", start);
	srand(start);
	for (int turn = 0; turn < 200000; turn++) {
		uint32_t host = (uint32_t)rand() % HOSTS;
		struct peer p = v4(host * 65536);
		switch (rand() % 4) {
		case 0:
			if (sum == LIVE)
				break;
			assert_int_equal(addresses_enter(a, &p, 0),
			                 connections[host] < 4 ? ADDRESSES_IN : ADDRESSES_TOO_MANY);
			if (connections[host] < 4) {
				connections[host]++;
				sum++;
			}
			break;
		case 1:
			if (connections[host] > 0) {
				addresses_leave(a, &p);
				connections[host]--;
				sum--;
			}
			break;
		case 2:
			if (sum == LIVE)
				break;
			number[host] = addresses_login(a, &p);
			logins[host]++;
			sum++;
			break;
		case 3:
			if (logins[host] > 0) {
				addresses_login_over(a, number[host]);
				logins[host]--;
				sum--;
			}
			break;
		}
		if (logins[host] > 0)
			assert_int_equal(addresses_logins(a, number[host]), logins[host]);
	}
	uint32_t live = 0;
	for (uint32_t i = 0; i < HOSTS; i++)
		live += connections[i] > 0 || logins[i] > 0;
	assert_int_equal(addresses_live(a), live);
	addresses_destroy(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_connections_of_an_address),
	    cmocka_unit_test(test_what_is_one_address),
	    cmocka_unit_test(test_rate_of_an_address),
	    cmocka_unit_test(test_the_table_is_bounded),
	    cmocka_unit_test(test_random_life),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
