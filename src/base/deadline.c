#include "deadline.h"

#include <stddef.h>

#define SLOT_BITS 6
#define SLOT_MASK (DEADLINE_SLOTS - 1)
_Static_assert(1 << SLOT_BITS == DEADLINE_SLOTS, "slots fill a 64-bit map");

static unsigned level_shift(unsigned level)
{
	return level * SLOT_BITS;
}

void deadline_wheel_init(struct deadline_wheel *wheel, uint64_t now_ms)
{
	wheel->now_tick = now_ms >> DEADLINE_TICK_SHIFT;
	wheel->next_tick = UINT64_MAX;
	for (unsigned level = 0; level < DEADLINE_LEVELS; level++) {
		wheel->occupied[level] = 0;
		for (unsigned i = 0; i < DEADLINE_SLOTS; i++) {
			struct deadline *head = &wheel->slot[level][i];
			*head = (struct deadline){.prev = head, .next = head};
		}
	}
}

void deadline_init(struct deadline *d, void (*expired)(struct deadline *))
{
	*d = (struct deadline){.expired = expired};
}

bool deadline_armed(const struct deadline *d)
{
	return d->next != NULL;
}

/* The slot for a tick is on the lowest level whose turn, seen from now, still holds it. */
static void place(struct deadline_wheel *wheel, struct deadline *d)
{
	uint64_t tick = d->at_tick, now = wheel->now_tick;
	unsigned level = 0;

	while (level < DEADLINE_LEVELS - 1 &&
	       (tick >> level_shift(level)) - (now >> level_shift(level)) >= DEADLINE_SLOTS)
		level++;
	uint64_t turn = tick >> level_shift(level), turn_now = now >> level_shift(level);
	if (turn - turn_now >= DEADLINE_SLOTS)
		turn = turn_now + DEADLINE_SLOTS - 1; /* beyond the wheel: placed anew when its turn comes */
	unsigned i = (unsigned)(turn & SLOT_MASK);
	struct deadline *head = &wheel->slot[level][i];

	d->next = head;
	d->prev = head->prev;
	head->prev->next = d;
	head->prev = d;
	wheel->occupied[level] |= UINT64_C(1) << i;
	uint64_t comes_up = turn << level_shift(level);
	if (comes_up < wheel->next_tick)
		wheel->next_tick = comes_up;
}

/* The next tick at which a slot of any level comes up; UINT64_MAX when all are empty. */
static uint64_t find_next_tick(const struct deadline_wheel *wheel)
{
	uint64_t best = UINT64_MAX;

	for (unsigned level = 0; level < DEADLINE_LEVELS; level++) {
		uint64_t map = wheel->occupied[level];
		if (!map)
			continue;
		uint64_t turn = (wheel->now_tick >> level_shift(level)) + 1;
		unsigned from = (unsigned)turn & SLOT_MASK;
		uint64_t turned = from ? (map >> from) | (map << (DEADLINE_SLOTS - from)) : map;
		uint64_t tick = (turn + (unsigned)__builtin_ctzll(turned)) << level_shift(level);
		if (tick < best)
			best = tick;
	}
	return best;
}

void deadline_arm(struct deadline_wheel *wheel, struct deadline *d, uint64_t at_ms)
{
	deadline_disarm(wheel, d);
	/* The next tick's edge, and never the running tick, whose slot has been emptied already. */
	d->at_tick = (at_ms >> DEADLINE_TICK_SHIFT) + 1;
	if (d->at_tick <= wheel->now_tick)
		d->at_tick = wheel->now_tick + 1;
	place(wheel, d);
}

void deadline_disarm(struct deadline_wheel *wheel, struct deadline *d)
{
	if (!d->next)
		return;
	d->prev->next = d->next;
	d->next->prev = d->prev;
	struct deadline *only = d->prev == d->next ? d->prev : NULL;
	d->prev = d->next = NULL;
	/* A slot's head left alone says which bit to clear, unless the list is deadline_advance's own. */
	struct deadline *first = &wheel->slot[0][0];
	if (only && only >= first && only < first + DEADLINE_LEVELS * DEADLINE_SLOTS) {
		size_t index = (size_t)(only - first);
		wheel->occupied[index / DEADLINE_SLOTS] &= ~(UINT64_C(1) << (index % DEADLINE_SLOTS));
		wheel->next_tick = find_next_tick(wheel);
	}
}

/* Takes a slot's whole list into head, which is disarmed from as from any slot. */
static void take_slot(struct deadline_wheel *wheel, unsigned level, unsigned i, struct deadline *head)
{
	struct deadline *slot = &wheel->slot[level][i];

	*head = (struct deadline){.prev = head, .next = head};
	if (slot->next != slot) {
		*head = (struct deadline){.prev = slot->prev, .next = slot->next};
		head->prev->next = head;
		head->next->prev = head;
		slot->prev = slot->next = slot;
	}
	wheel->occupied[level] &= ~(UINT64_C(1) << i);
}

static void run_tick(struct deadline_wheel *wheel)
{
	struct deadline due;

	for (unsigned level = DEADLINE_LEVELS - 1; level > 0; level--) {
		if (wheel->now_tick & ((UINT64_C(1) << level_shift(level)) - 1))
			continue;
		take_slot(wheel, level, (unsigned)(wheel->now_tick >> level_shift(level)) & SLOT_MASK, &due);
		while (due.next != &due) {
			struct deadline *d = due.next;
			deadline_disarm(wheel, d);
			place(wheel, d);
		}
	}
	take_slot(wheel, 0, (unsigned)wheel->now_tick & SLOT_MASK, &due);
	while (due.next != &due) {
		struct deadline *d = due.next;
		deadline_disarm(wheel, d);
		d->expired(d);
	}
}

void deadline_run_ticks(struct deadline_wheel *wheel, uint64_t tick)
{
	while (wheel->next_tick <= tick) {
		wheel->now_tick = wheel->next_tick;
		run_tick(wheel);
		wheel->next_tick = find_next_tick(wheel);
	}
	wheel->now_tick = tick;
}

int deadline_wait_ms(const struct deadline_wheel *wheel, uint64_t now_ms)
{
	uint64_t next = wheel->next_tick;

	if (next == UINT64_MAX)
		return -1;
	uint64_t at_ms = next << DEADLINE_TICK_SHIFT;
	if (at_ms <= now_ms)
		return 0;
	/* unreached: the wheel spans 2^28 ms */
	return at_ms - now_ms > 1 << 30 ? 1 << 30 : (int)(at_ms - now_ms);
}
