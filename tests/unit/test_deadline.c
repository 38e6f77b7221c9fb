/*
 * The wheel against a list that is kept sorted by hand, on a clock that only the test moves. A deadline asked for at a
 * time has to expire when the wheel's own time is in [asked, asked + one tick], where what was asked for in the past
 * counts as asked for now.
 */
#include "deadline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "must.h"

#define TICK_MS   (UINT64_C(1) << DEADLINE_TICK_SHIFT)
#define HOUR_MS   UINT64_C(3600000)
#define ITEMS_MAX 3000
#define FAR_MS    (74 * HOUR_MS) /* about where the wheel's last level ends */

static uint64_t seed, random_state;

static uint64_t random64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static uint64_t below(uint64_t n)
{
	return random64() % n;
}

struct item {
	struct deadline deadline;
	uint64_t due_ms;
	bool armed;
	size_t index;
};

/* The wheel and its model: items, and those that are armed, sorted by due_ms. */
static struct bench {
	struct deadline_wheel wheel;
	uint64_t now_ms, ran_ms; /* ran_ms: the wheel's time at the last expiry of this advance */
	bool mischief;           /* callbacks change other deadlines */
	size_t count, armed_count, expired_count;
	struct item *item[ITEMS_MAX];
	struct item *sorted[ITEMS_MAX];
} bench;

static uint64_t wheel_ms(void)
{
	return bench.wheel.now_tick << DEADLINE_TICK_SHIFT;
}

/* The first place whose deadline is not due before due_ms. */
static size_t place_of(uint64_t due_ms)
{
	size_t low = 0, high = bench.armed_count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		if (bench.sorted[middle]->due_ms < due_ms)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void model_remove(struct item *item)
{
	size_t i = place_of(item->due_ms);

	while (bench.sorted[i] != item)
		i++;
	bench.armed_count--;
	memmove(bench.sorted + i, bench.sorted + i + 1, (bench.armed_count - i) * sizeof(bench.sorted[0]));
	item->armed = false;
}

static void model_add(struct item *item, uint64_t due_ms)
{
	size_t i = place_of(due_ms);

	memmove(bench.sorted + i + 1, bench.sorted + i, (bench.armed_count - i) * sizeof(bench.sorted[0]));
	bench.sorted[i] = item;
	bench.armed_count++;
	item->due_ms = due_ms;
	item->armed = true;
}

static void arm(struct item *item, uint64_t at_ms)
{
	uint64_t least = wheel_ms();

	if (item->armed)
		model_remove(item);
	model_add(item, at_ms > least ? at_ms : least);
	deadline_arm(&bench.wheel, &item->deadline, at_ms);
	assert_true(deadline_armed(&item->deadline));
}

static void disarm(struct item *item)
{
	if (item->armed)
		model_remove(item);
	deadline_disarm(&bench.wheel, &item->deadline);
	assert_false(deadline_armed(&item->deadline));
}

static void on_expired(struct deadline *);

static struct item *add_item(void)
{
	struct item *item = malloc(sizeof(*item));

	assert_non_null(item);
	*item = (struct item){.index = bench.count};
	deadline_init(&item->deadline, on_expired);
	assert_false(deadline_armed(&item->deadline));
	bench.item[bench.count++] = item;
	return item;
}

static void free_item(struct item *item)
{
	disarm(item);
	bench.count--;
	bench.item[item->index] = bench.item[bench.count];
	bench.item[item->index]->index = item->index;
	memset(item, 0x5a, sizeof(*item)); /* a pointer left behind shows without a sanitizer too */
	free(item);
}

static struct item *some_item(void)
{
	return bench.item[below(bench.count)];
}

/* A delay in one of the wheel's levels, at the edge of one, beyond them all, or never. */
static uint64_t some_delay(void)
{
	uint64_t edge = TICK_MS << (6 * (1 + below(DEADLINE_LEVELS)));

	switch (below(9)) {
	case 0: return 0;
	case 1: return below(3 * TICK_MS);
	case 2: return below(1100);
	case 3: return below(66000);
	case 4: return below(71 * 60000);
	case 5: return below(FAR_MS);
	case 6: return FAR_MS + below(40 * 24 * HOUR_MS);
	case 7: return edge - 2 * TICK_MS + below(4 * TICK_MS);
	default: return UINT64_MAX / 4;
	}
}

/* Mostly ahead; now and then in the past. */
static uint64_t some_time(void)
{
	uint64_t back = below(50000);

	if (below(10) == 0)
		return bench.now_ms > back ? bench.now_ms - back : 0;
	return bench.now_ms + some_delay();
}

static void change_something(void)
{
	switch (below(8)) {
	case 0:
		if (bench.count < ITEMS_MAX)
			arm(add_item(), some_time());
		break;
	case 1:
		if (bench.count > 1)
			free_item(some_item());
		break;
	case 2: disarm(some_item()); break;
	default: arm(some_item(), some_time()); break;
	}
}

static void on_expired(struct deadline *d)
{
	struct item *item = container_of(d, struct item, deadline);

	assert_true(item->armed); /* once, and not after a disarm */
	assert_false(deadline_armed(d));
	assert_true(wheel_ms() >= item->due_ms);
	assert_true(wheel_ms() <= item->due_ms + TICK_MS);
	assert_true(wheel_ms() <= bench.now_ms);
	assert_true(wheel_ms() >= bench.ran_ms);
	bench.ran_ms = wheel_ms();
	bench.expired_count++;
	model_remove(item);
	if (!bench.mischief)
		return;
	switch (below(6)) {
	case 0: arm(item, some_time()); break;
	case 1: arm(item, wheel_ms()); break; /* at once again is the next tick, not this one without end */
	case 2:
		if (bench.count > 1)
			free_item(item);
		break;
	case 3:
		for (unsigned i = 0; i < 5; i++)
			change_something();
		break;
	default: break;
	}
}

static void check_wait(void)
{
	int wait_ms = deadline_wait_ms(&bench.wheel, bench.now_ms);

	if (bench.armed_count == 0) {
		assert_int_equal(wait_ms, -1);
		return;
	}
	assert_true(wait_ms > 0); /* all that was due has expired: 0 would make the loop spin */
	assert_true(wait_ms <= 1 << 30);
	assert_true((uint64_t)wait_ms <= bench.sorted[0]->due_ms + TICK_MS - bench.now_ms);
}

static void advance(uint64_t now_ms)
{
	bench.now_ms = now_ms;
	bench.ran_ms = 0;
	deadline_advance(&bench.wheel, now_ms);
	if (bench.armed_count > 0)
		assert_true(bench.sorted[0]->due_ms + TICK_MS > now_ms);
	check_wait();
}

static uint64_t some_step(void)
{
	int wait_ms = deadline_wait_ms(&bench.wheel, bench.now_ms);

	switch (below(10)) {
	case 0: return 0;
	case 1: return below(2 * TICK_MS);
	case 2: return below(2000);
	case 3: return below(100000);
	case 4: return below(5) ? below(HOUR_MS) : below(100 * HOUR_MS);
	default: return wait_ms > 0 ? (uint64_t)wait_ms : 1; /* as a loop would */
	}
}

static void begin(uint64_t now_ms, bool mischief)
{
	bench.now_ms = now_ms;
	bench.mischief = mischief;
	bench.count = bench.armed_count = bench.expired_count = 0;
	deadline_wheel_init(&bench.wheel, now_ms);
	check_wait();
}

static void end(void)
{
	bench.mischief = false;
	while (bench.count > 0)
		free_item(bench.item[bench.count - 1]);
	assert_int_equal(bench.armed_count, 0);
	check_wait();
}

static void run_random(uint64_t now_ms, bool mischief)
{
	begin(now_ms, mischief);
	while (bench.count < ITEMS_MAX - 500)
		arm(add_item(), some_time());
	for (unsigned round = 0; round < 4000; round++) {
		for (uint64_t i = below(4); i > 0; i--)
			change_something();
		advance(bench.now_ms + some_step());
	}
	assert_true(bench.expired_count > 2000);
	end();
}

static void test_random_deadlines(void **state)
{
	(void)state;
	run_random(0, false);
	run_random(1 + below(UINT64_C(1) << 40), false);
}

static void test_random_changes_within_callbacks(void **state)
{
	(void)state;
	run_random(0, true);
	run_random(1 + below(UINT64_C(1) << 40), true);
}

/* One deadline after each of many delays, in one jump to just before and just after, from anywhere in the wheel. */
static void test_every_level_in_one_jump(void **state)
{
	(void)state;
	for (uint64_t delay = 1; delay < 4 * FAR_MS; delay += 1 + delay / 29) {
		uint64_t start = below(UINT64_C(1) << 40);
		begin(start, false);
		arm(add_item(), start + delay);
		advance(start + delay - 1);
		assert_int_equal(bench.expired_count, 0);
		advance(start + delay + TICK_MS);
		assert_int_equal(bench.expired_count, 1);
		advance(start + delay + 9 * FAR_MS);
		assert_int_equal(bench.expired_count, 1);
		end();
	}
}

/* A loop that sleeps as long as it is told to wakes a few times for a deadline, however far off: once a level at most.
 */
static void test_few_wakes(void **state)
{
	(void)state;
	for (uint64_t delay = 1; delay < 8 * FAR_MS; delay += 1 + delay / 29) {
		uint64_t start = below(UINT64_C(1) << 40), wakes = 0;
		begin(start, false);
		arm(add_item(), start + delay);
		while (bench.expired_count == 0) {
			advance(bench.now_ms + (uint64_t)deadline_wait_ms(&bench.wheel, bench.now_ms));
			wakes++;
		}
		assert_true(wakes <= DEADLINE_LEVELS + 1 + delay / (72 * HOUR_MS));
		end();
	}
}

/* All in one slot's list, each callback doing away with its neighbours. */
static void test_neighbours_within_callbacks(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		begin(below(100000), true);
		while (bench.count < 40)
			arm(add_item(), bench.now_ms + 100);
		advance(bench.now_ms + 200);
		end();
	}
}

static void test_move(void **state)
{
	(void)state;
	begin(1000, false);
	struct item *item = add_item();
	arm(item, 2000);
	for (uint64_t t = 1100; t < 200000; t += 900) { /* each time it is put off before it is due */
		advance(t);
		arm(item, t + 1000);
	}
	assert_int_equal(bench.expired_count, 0);
	arm(item, bench.now_ms + 200 * HOUR_MS);
	arm(item, bench.now_ms + 30);
	advance(bench.now_ms + 30 + TICK_MS);
	assert_int_equal(bench.expired_count, 1);
	end();
}

static void test_disarm(void **state)
{
	(void)state;
	begin(5, false);
	struct item *item = add_item();
	disarm(item);
	arm(item, 100);
	disarm(item);
	disarm(item);
	check_wait();
	advance(10 * FAR_MS);
	assert_int_equal(bench.expired_count, 0);
	end();
}

static void test_clock_that_stands_or_goes_back(void **state)
{
	(void)state;
	begin(50000, false);
	arm(add_item(), 50000);
	deadline_advance(&bench.wheel, 50000);
	deadline_advance(&bench.wheel, 10);
	deadline_advance(&bench.wheel, 0);
	assert_int_equal(bench.expired_count, 0);
	assert_true(deadline_wait_ms(&bench.wheel, 50000) > 0);
	advance(50000 + TICK_MS);
	assert_int_equal(bench.expired_count, 1);
	end();
}

/* Where the owner has not advanced yet, what is due is due: 0, not a negative number. */
static void test_wait_when_due(void **state)
{
	(void)state;
	begin(0, false);
	arm(add_item(), 100);
	assert_int_equal(deadline_wait_ms(&bench.wheel, 100 + TICK_MS), 0);
	assert_int_equal(deadline_wait_ms(&bench.wheel, 10 * FAR_MS), 0);
	end();
}

static void count(struct deadline *d)
{
	(void)d;
	bench.expired_count++;
}

/* Two of one slot, the first of which is disarmed while the wheel's own list of both is on the stack: above it or
 * below. */
static void run_two(struct deadline_wheel *wheel)
{
	struct deadline one, other;

	bench.expired_count = 0;
	deadline_wheel_init(wheel, 0);
	deadline_init(&one, count);
	deadline_init(&other, count);
	deadline_arm(wheel, &one, 100);
	deadline_arm(wheel, &other, 100);
	deadline_advance(wheel, 200);
	assert_int_equal(bench.expired_count, 2);
	assert_int_equal(deadline_wait_ms(wheel, 200), -1);
}

static void test_wheel_anywhere(void **state)
{
	struct deadline_wheel on_the_stack;
	struct deadline_wheel *on_the_heap = malloc(sizeof(*on_the_heap));

	(void)state;
	run_two(&on_the_stack);
	run_two(on_the_heap);
	free(on_the_heap);
}

static int set_seed(void **state)
{
	(void)state;
	random_state = seed;
	return 0;
}

int main(void)
{
	const char *given = getenv("TEST_SEED");
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_random_deadlines, set_seed),
	    cmocka_unit_test_setup(test_random_changes_within_callbacks, set_seed),
	    cmocka_unit_test_setup(test_every_level_in_one_jump, set_seed),
	    cmocka_unit_test_setup(test_few_wakes, set_seed),
	    cmocka_unit_test_setup(test_neighbours_within_callbacks, set_seed),
	    cmocka_unit_test(test_move),
	    cmocka_unit_test(test_wheel_anywhere),
	    cmocka_unit_test(test_disarm),
	    cmocka_unit_test(test_clock_that_stands_or_goes_back),
	    cmocka_unit_test(test_wait_when_due),
	};

	seed = given ? strtoull(given, NULL, 0) : clock_now_ns();
	seed = seed ? seed : 1;
	printf("TEST_SEED=%llu\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
