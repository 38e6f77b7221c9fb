/*
 * Deadlines: a hierarchical timing wheel (Varghese & Lauck, SOSP 1987). Arming, moving and disarming cost O(1),
 * whatever the number of deadlines; each is touched at most DEADLINE_LEVELS times before it expires. It knows no clock:
 * whoever owns it says what time it is. Not thread-safe: one wheel belongs to one loop.
 */
#ifndef BASE_DEADLINE_H
#define BASE_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

#define DEADLINE_TICK_SHIFT 4 /* a tick is 16 ms: about the coarse clock's own error */
#define DEADLINE_LEVELS     4
#define DEADLINE_SLOTS      64 /* a level: 1 s, 65 s, 70 min, 74 h; later ones wait in the last and are placed anew */

struct deadline {
	struct deadline *prev, *next; /* NULL when not armed */
	uint64_t at_tick;
	void (*expired)(struct deadline *);
};

struct deadline_wheel {
	uint64_t now_tick;
	uint64_t next_tick;                 /* when a slot comes up; UINT64_MAX: never */
	uint64_t occupied[DEADLINE_LEVELS]; /* one bit a slot */
	struct deadline slot[DEADLINE_LEVELS][DEADLINE_SLOTS];
};

void deadline_wheel_init(struct deadline_wheel *, uint64_t now_ms);

/* expired is called by deadline_advance with the deadline already disarmed; it may arm, disarm or free any deadline. */
void deadline_init(struct deadline *, void (*expired)(struct deadline *));
/* Arms, or moves, so that it expires at at_ms, or up to one tick after. */
void deadline_arm(struct deadline_wheel *, struct deadline *, uint64_t at_ms);
/* Harmless when not armed. */
void deadline_disarm(struct deadline_wheel *, struct deadline *);
bool deadline_armed(const struct deadline *);

/* Runs every tick up to this one; deadline_advance says when. */
void deadline_run_ticks(struct deadline_wheel *, uint64_t tick);

/* Expires all that is due at now_ms. A now_ms that is not later than the last one does nothing. */
static inline void deadline_advance(struct deadline_wheel *wheel, uint64_t now_ms)
{
	uint64_t tick = now_ms >> DEADLINE_TICK_SHIFT;

	if (tick > wheel->now_tick) /* inline, for nearly every turn of a loop is within a tick */
		deadline_run_ticks(wheel, tick);
}

/* Milliseconds until deadline_advance has something to do, at most 2^30; -1 when nothing is armed. */
int deadline_wait_ms(const struct deadline_wheel *, uint64_t now_ms);

#endif
