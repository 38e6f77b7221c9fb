/*
 * How long to wait before the next try: full jitter, U(0, min(60 s, 0.5 s * 2^n)), which keeps many clients of one
 * server from coming back together (Brooker, "Exponential Backoff and Jitter", AWS 2015).
 */
#ifndef ECHOC_BACKOFF_H
#define ECHOC_BACKOFF_H

#include <stdint.h>

struct backoff {
	unsigned tries; /* 0 to begin with, and again when a login succeeded and a byte came back */
};

/* The most that the wait after this many tries may be, in milliseconds. */
uint64_t backoff_ceiling_ms(unsigned tries);

/* The next wait, in milliseconds; counts the try. */
uint64_t backoff_next_ms(struct backoff *);

#endif
