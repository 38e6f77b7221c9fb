#include "backoff.h"

#include <sys/random.h>

#include "clock.h"

#define FIRST_MS 500
#define MOST_MS  60000

uint64_t backoff_ceiling_ms(unsigned tries)
{
	uint64_t ms = FIRST_MS;

	for (; tries > 0 && ms < MOST_MS; tries--)
		ms *= 2;
	return ms < MOST_MS ? ms : MOST_MS;
}

uint64_t backoff_next_ms(struct backoff *b)
{
	uint64_t dice;

	if (getrandom(&dice, sizeof(dice), 0) != sizeof(dice))
		dice = clock_now_ns(); /* any spread will do */
	uint64_t ceiling = backoff_ceiling_ms(b->tries);
	if (ceiling < MOST_MS)
		b->tries++;
	return dice % (ceiling + 1);
}
