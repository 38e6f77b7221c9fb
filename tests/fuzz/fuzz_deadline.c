/* The wheel of deadlines, beside a plain list of times. Each three bytes are one thing that is done. */
#include "fuzz.h"

#include "deadline.h"
#include "must.h"

#define DEADLINES 8
#define TICK_MS   (1U << DEADLINE_TICK_SHIFT)

struct timer {
	struct deadline deadline;
	uint64_t at_ms; /* while it is armed */
	bool armed;
};

static struct timer timers[DEADLINES];
static uint64_t now;

static void expired(struct deadline *d)
{
	struct timer *t = container_of(d, struct timer, deadline);

	CHECK(t->armed && !deadline_armed(d));
	CHECK(t->at_ms <= now);
	t->armed = false;
}

/* Nothing that is due by more than a tick is left, and nobody would sleep through what is next. */
static void check(const struct deadline_wheel *wheel)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < DEADLINES; i++) {
		CHECK(deadline_armed(&timers[i].deadline) == timers[i].armed);
		if (timers[i].armed && timers[i].at_ms < next)
			next = timers[i].at_ms;
	}
	int wait = deadline_wait_ms(wheel, now);
	CHECK((wait < 0) == (next == UINT64_MAX));
	if (next == UINT64_MAX)
		return;
	CHECK(next + 2 * TICK_MS > now);
	CHECK(now + (uint64_t)wait <= (next > now ? next : now) + 2 * TICK_MS);
}

/* From milliseconds to months: the upper bits are a shift. */
static uint64_t distance(const uint8_t *step)
{
	return (uint64_t)step[2] << (step[1] % 26);
}

static void do_step(struct deadline_wheel *wheel, const uint8_t *step)
{
	struct timer *t = &timers[step[0] % DEADLINES];

	switch (step[0] / DEADLINES % 4) {
	case 0:
	case 1:
		t->at_ms = step[0] & 0x80 && now > distance(step) ? now - distance(step) : now + distance(step);
		t->armed = true;
		deadline_arm(wheel, &t->deadline, t->at_ms);
		if (t->at_ms < now)
			t->at_ms = now; /* what is late already comes with the next tick */
		break;
	case 2:
		t->armed = false;
		deadline_disarm(wheel, &t->deadline);
		break;
	case 3:
		now += distance(step);
		deadline_advance(wheel, now);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct deadline_wheel wheel;

	now = len > 0 ? (uint64_t)data[0] << 20 : 0;
	deadline_wheel_init(&wheel, now);
	for (size_t i = 0; i < DEADLINES; i++) {
		deadline_init(&timers[i].deadline, expired);
		timers[i].armed = false;
	}
	for (size_t i = 1; i + 3 <= len && i < 3 * 64; i += 3) {
		do_step(&wheel, data + i);
		if ((data[i] / DEADLINES % 4) == 3)
			check(&wheel);
	}
	return 0;
}
