/* What /stats shows: where the talk goes, what was sent and came back, and how long it took. */
#ifndef ECHOC_TALK_STATS_H
#define ECHOC_TALK_STATS_H

#include <stdint.h>

#include "exchange.h"
#include "histogram.h"
#include "reach.h"

/* What only the talk knows. */
struct talk_stats {
	int64_t since_us; /* when the connection was there, or the last one lost, by the wall clock */
	unsigned reconnects;
};

/* On standard output. */
void talk_stats_show(const struct talk_stats *, const struct reach *, const struct exchange *,
                     const struct histogram *round_trips);

#endif
