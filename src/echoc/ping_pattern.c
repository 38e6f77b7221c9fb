#include "ping_pattern.h"

/* splitmix64 (Steele, Lea, Flood, OOPSLA 2014): any place of its sequence can be had at once. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static uint64_t word(uint64_t seq, size_t index)
{
	return index == 0 ? seq : mix((seq << 16) + index * UINT64_C(0x9e3779b97f4a7c15));
}

void ping_pattern_fill(uint64_t seq, size_t offset, uint8_t *bytes, size_t len)
{
	uint64_t w = word(seq, offset / 8);

	for (size_t i = 0; i < len; i++) {
		size_t at = offset + i;
		if (at % 8 == 0)
			w = word(seq, at / 8);
		bytes[i] = (uint8_t)(w >> (56 - 8 * (at % 8)));
	}
}
