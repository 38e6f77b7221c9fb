/* What the tests of the throttle share: throttles, peers, guesses, and random numbers that can be had again. */
#ifndef UNIT_THROTTLE_FIXTURE_H
#define UNIT_THROTTLE_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "throttle.h"

#define START_MS 1000000
#define HOUR_MS  3600000u

/* From TEST_SEED, or the time; says which. */
void throttle_fixture_seed(void);
uint32_t throttle_fixture_random_below(uint32_t n);
/* With a first delay of 2 s. */
struct throttle *throttle_fixture_make(uint32_t address_failures, uint32_t account_failures);
/* 10.0.0.0 and so many, from any port. */
struct peer throttle_fixture_v4(uint32_t number);
struct peer throttle_fixture_parse(int family, const char *text);
/* A wrong password from there: whether it was checked, and the delay that it costs; delay_ms may be NULL. */
bool throttle_fixture_guess(struct throttle *, struct peer from, const char *name, uint64_t now_ms, uint64_t *delay_ms);
/* What a login from there would be told now. */
enum throttle_answer throttle_fixture_look(const struct throttle *, struct peer from, const char *name,
                                           uint64_t now_ms);

#endif
