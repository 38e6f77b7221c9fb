/* When probes are due: at fixed times from the start on, whatever becomes of those before (an open loop). */
#ifndef ECHOC_PING_SCHEDULE_H
#define ECHOC_PING_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "ping_options.h"

struct ping_schedule {
	uint64_t start_ns, interval_ns;
	uint64_t count;       /* probes in all; UINT64_MAX: no end */
	uint64_t deadline_ns; /* none is due from then on; UINT64_MAX: no end */
	uint64_t taken;       /* how many are dealt with */
};

void ping_schedule_init(struct ping_schedule *, const struct ping_options *, uint64_t start_ns);

/* Whether no more are due after now_ns. */
bool ping_schedule_is_over(const struct ping_schedule *, uint64_t now_ns);
/* When the next is due, or the deadline if that comes first; UINT64_MAX when all are taken. */
uint64_t ping_schedule_due_ns(const struct ping_schedule *);

/* Takes the next one, which need not be due yet. Returns its number, from 1. */
uint64_t ping_schedule_take(struct ping_schedule *);
/* Passes those over that were due a whole interval and more before now_ns. Returns how many. */
uint64_t ping_schedule_skip(struct ping_schedule *, uint64_t now_ns);

#endif
