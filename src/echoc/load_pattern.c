#include "load_pattern.h"

#include <assert.h>
#include <string.h>

static _Alignas(LOAD_PATTERN_LINE) uint8_t pattern[LOAD_PATTERN_PERIOD + LOAD_PATTERN_PIECE];

void load_pattern_init(void)
{
	uint64_t x = UINT64_C(0x9e3779b97f4a7c15); /* xorshift64 (Marsaglia 2003) from any seed but 0 */

	for (size_t i = 0; i < LOAD_PATTERN_PERIOD; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		pattern[i] = (uint8_t)(x >> 32);
	}
	for (size_t i = LOAD_PATTERN_PERIOD; i < sizeof(pattern); i++)
		pattern[i] = pattern[i - LOAD_PATTERN_PERIOD];
}

const uint8_t *load_pattern_at(uint32_t place)
{
	return pattern + place;
}

size_t load_pattern_damage(uint32_t place, const uint8_t *data, size_t len)
{
	const uint8_t *wanted = pattern + place;
	size_t damaged = 0;

	assert(place < LOAD_PATTERN_PERIOD && len <= LOAD_PATTERN_PIECE);
	if (memcmp(data, wanted, len) == 0)
		return 0;
	for (size_t i = 0; i < len; i++)
		damaged += data[i] != wanted[i];
	return damaged;
}
