/* The clocks. Deadlines and durations go by the monotonic one only; the wall clock is for people. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Milliseconds of CLOCK_MONOTONIC_COARSE: a few ns to read, right to one kernel tick (1 to 10 ms). */
uint64_t clock_coarse_ms(void);

/* Nanoseconds of CLOCK_MONOTONIC, for round-trip times. */
uint64_t clock_now_ns(void);

/* Microseconds since the epoch. */
int64_t clock_wall_us(void);

#define CLOCK_TEXT_MAX 32
/* Writes wall_us as RFC 3339 in UTC with microseconds, `2026-01-02T03:04:05.123456Z`, into text. Returns its length. */
size_t clock_format(char text[CLOCK_TEXT_MAX], int64_t wall_us);
/* The same without a fraction: `2026-01-02T03:04:05Z`. */
size_t clock_format_s(char text[CLOCK_TEXT_MAX], int64_t wall_us);

#endif
