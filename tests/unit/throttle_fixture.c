#include "throttle_fixture.h"

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

static uint64_t random_state;

uint32_t throttle_fixture_random_below(uint32_t n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((random_state >> 33) % n);
}

void throttle_fixture_seed(void)
{
	const char *given = getenv("TEST_SEED");

	random_state = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
	printf("TEST_SEED=%llu\n", (unsigned long long)random_state);
}

struct throttle *throttle_fixture_make(uint32_t address_failures, uint32_t account_failures)
{
	const struct throttle_limits limits = {
	    .address_failures = address_failures, .account_failures = account_failures, .delay_ms = 2000};
	struct throttle *t;

	assert_int_equal(throttle_create(&t, &limits, (const uint8_t *)"sixteen bytes..."), 0);
	return t;
}

struct peer throttle_fixture_v4(uint32_t number)
{
	struct peer p = {.family = AF_INET, .port = (uint16_t)throttle_fixture_random_below(65536)};

	number = htonl(0x0a000000 + number);
	memcpy(p.ip, &number, 4);
	return p;
}

struct peer throttle_fixture_parse(int family, const char *text)
{
	struct peer p = {.family = (uint16_t)family, .port = 7};

	assert_int_equal(inet_pton(family, text, p.ip), 1);
	return p;
}

bool throttle_fixture_guess(struct throttle *t, struct peer from, const char *name, uint64_t now_ms, uint64_t *delay_ms)
{
	struct throttle_claim c = throttle_claim(t, &from, name);
	uint64_t wait_ms, delay;

	if (throttle_take(t, &c, now_ms, &wait_ms) != THROTTLE_GO)
		return false;
	delay = throttle_settle(t, &c, THROTTLE_FAILED, now_ms);
	if (delay_ms)
		*delay_ms = delay;
	return true;
}

enum throttle_answer throttle_fixture_look(const struct throttle *t, struct peer from, const char *name,
                                           uint64_t now_ms)
{
	struct throttle_claim c = throttle_claim(t, &from, name);
	uint64_t wait_ms;

	return throttle_look(t, &c, now_ms, &wait_ms);
}
