/* A few random bytes there and back on a fresh connection: whether an echo server is behind the address at all. */
#ifndef ECHOC_ROUND_TRIP_H
#define ECHOC_ROUND_TRIP_H

#include <stdbool.h>
#include <stdint.h>

#include "channel.h"
#include "must.h"
#include "reach.h"
#include "status.h"

#define ROUND_TRIP_BYTES 32
#define ROUND_TRIP_MS    10000 /* as long as a greeting may take */

struct round_trip {
	uint64_t ns;  /* from the sending to the last byte back, where it came to that */
	bool dropped; /* the connection ended before: another one may do better */
};

/*
 * Makes the round trip, ends the connection politely, and closes it. On any other status than STATUS_FINE nothing has
 * been said: the sentence stands in reach->why, the phase beside it.
 */
enum status round_trip_make(struct reach *, struct channel *, struct round_trip *) MUST_CHECK;

#endif
