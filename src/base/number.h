/* Numbers that a person wrote, taken whole or not at all. */
#ifndef BASE_NUMBER_H
#define BASE_NUMBER_H

#include <stdint.h>

#include "must.h"

/* A decimal number from least to most. Returns 0, or -EINVAL (not digits only) or -ERANGE. */
int number_parse(const char *text, uint64_t least, uint64_t most, uint64_t *out) MUST_CHECK;

/*
 * A duration: decimal numbers with a unit (us, ms, s, m, h, d), as `250ms`, `30s`, `1m30s` or `1.5s`; a bare number is
 * seconds; `off` is 0. Returns 0, or -EINVAL, or -ERANGE above NUMBER_DURATION_MAX_MS or between nothing and one of
 * what is asked for.
 */
int number_parse_duration_us(const char *text, uint64_t *out_us) MUST_CHECK;
int number_parse_duration_ms(const char *text, uint64_t *out_ms) MUST_CHECK;

#define NUMBER_DURATION_MAX_MS (UINT64_C(366) * 86400 * 1000) /* a year: no deadline arithmetic overflows */

#endif
