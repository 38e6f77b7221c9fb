/*
 * What is sent and awaited: an endless stream of which any part stands ready in memory, so that sending costs no copy
 * and checking is a memcmp. It repeats after a prime number of cache lines, which no buffer's size is a multiple of:
 * what is lost, doubled or displaced shows in the first bytes behind. Whole lines, because copying from
 * within one costs more; few of them, so that they stay in the cache.
 */
#ifndef ECHOC_LOAD_PATTERN_H
#define ECHOC_LOAD_PATTERN_H

#include <stddef.h>
#include <stdint.h>

#define LOAD_PATTERN_LINE   64U
#define LOAD_PATTERN_PERIOD (1021U * LOAD_PATTERN_LINE)
#define LOAD_PATTERN_PIECE  (1024U * 1024) /* bytes that stand in a row behind any place */

/* To be called once, before any thread uses it. */
void load_pattern_init(void);

/* The bytes from place on, at least LOAD_PATTERN_PIECE of them. place < LOAD_PATTERN_PERIOD. */
const uint8_t *load_pattern_at(uint32_t place);

/* The place len bytes behind place. */
static inline uint32_t load_pattern_next(uint32_t place, size_t len)
{
	size_t next = place + len;

	return (uint32_t)(next < LOAD_PATTERN_PERIOD ? next : next % LOAD_PATTERN_PERIOD);
}

/* How many of len bytes (at most LOAD_PATTERN_PIECE) are not those that stand at place. */
size_t load_pattern_damage(uint32_t place, const uint8_t *data, size_t len);

#endif
