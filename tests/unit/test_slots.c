/* Login slots: who gets one, and who has to go for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "slots.h"

#define MOST   10
#define BRIDGE 20

struct connection {
	int number;
};

struct fixture {
	struct addresses *addresses;
	struct slots *slots;
	struct connection connection[MOST + BRIDGE];
	int count;
};

static struct fixture fixture;

static int setup(void **state)
{
	static const uint64_t seed[4] = {1, 3, 5, 7};
	struct fixture *f = &fixture;

	*f = (struct fixture){0};
	*state = f;
	assert_int_equal(addresses_create(&f->addresses, 4096, 0, 0, seed), 0);
	assert_int_equal(slots_create(&f->slots, f->addresses, MOST, BRIDGE), 0);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	slots_destroy(f->slots);
	addresses_destroy(f->addresses);
	return 0;
}

static struct peer peer(uint8_t host)
{
	return (struct peer){.family = AF_INET, .ip = {10, 0, 0, host}};
}

static uint16_t take(struct fixture *f, uint8_t host)
{
	struct peer p = peer(host);
	uint16_t slot = slots_take(f->slots, &p, host);

	assert_int_not_equal(slot, SLOTS_NONE);
	slots_bind(f->slots, slot, &f->connection[f->count++]);
	return slot;
}

static void assert_nobody_goes(struct fixture *f)
{
	struct slots_hold hold;
	uint32_t worker;

	assert_false(slots_choose(f->slots, &hold, &worker));
}

static void assert_goes(struct fixture *f, uint16_t slot, uint8_t host)
{
	struct slots_hold hold;
	uint32_t worker;

	assert_true(slots_choose(f->slots, &hold, &worker));
	assert_int_equal(hold.slot, slot);
	assert_int_equal(worker, host);
	assert_non_null(slots_holder(f->slots, hold));
	slots_give_back(f->slots, slot);
	assert_null(slots_holder(f->slots, hold));
}

static void test_the_oldest_of_the_most_goes(void **state)
{
	struct fixture *f = *state;
	uint16_t honest = take(f, 1), first = take(f, 2), second = take(f, 2);

	for (int i = 3; i < MOST; i++)
		take(f, i < 7 ? 2 : 3);
	assert_nobody_goes(f);
	take(f, 4);
	assert_goes(f, first, 2);
	assert_nobody_goes(f);
	take(f, 4);
	assert_goes(f, second, 2);
	(void)honest;
	assert_int_equal(slots_taken(f->slots), MOST);
}

/* The newcomer's own address counts it already. */
static void test_among_equals_the_newcomers_address_pays(void **state)
{
	struct fixture *f = *state;
	uint16_t slot[MOST];

	for (uint8_t i = 0; i < MOST; i++)
		slot[i] = take(f, i);
	take(f, 7);
	assert_goes(f, slot[7], 7);
	take(f, 99); /* all have one: the oldest of all */
	assert_goes(f, slot[0], 0);
}

/* Whoever was chosen counts no more: of a burst not all are of one address. */
static void test_a_burst_is_shared_out(void **state)
{
	struct fixture *f = *state;
	int gone[2] = {0, 0};

	for (int i = 0; i < MOST; i++)
		take(f, (uint8_t)(i % 2));
	for (int i = 0; i < 4; i++)
		take(f, (uint8_t)(10 + i));
	for (int i = 0; i < 4; i++) {
		struct slots_hold hold;
		uint32_t worker;
		assert_true(slots_choose(f->slots, &hold, &worker));
		assert_true(worker < 2);
		gone[worker]++;
	}
	assert_nobody_goes(f);
	assert_int_equal(gone[0], 2);
	assert_int_equal(gone[1], 2);
}

/* Who is on the way to a worker counts and may be chosen: else all who have arrived would pay for a burst. */
static void test_who_is_on_the_way_may_have_to_go(void **state)
{
	struct fixture *f = *state;
	struct slots_hold hold;
	uint32_t worker;
	struct peer p = peer(1);

	take(f, 2);
	for (int i = 0; i < MOST; i++)
		assert_int_not_equal(slots_take(f->slots, &p, 5), SLOTS_NONE);
	assert_true(slots_choose(f->slots, &hold, &worker));
	assert_int_equal(worker, 5);
	assert_null(slots_holder(f->slots, hold));
	slots_bind(f->slots, hold.slot, &f->connection[0]);
	assert_ptr_equal(slots_holder(f->slots, hold), &f->connection[0]);
}

static void test_the_bridge_ends(void **state)
{
	struct fixture *f = *state;
	struct peer p = peer(1);
	uint16_t slot = 0;

	for (int i = 0; i < MOST + BRIDGE; i++)
		slot = take(f, 1);
	assert_int_equal(slots_take(f->slots, &p, 1), SLOTS_NONE);
	slots_give_back(f->slots, slot);
	assert_int_equal(slots_take(f->slots, &p, 1), slot);
}

static void test_an_old_hold_is_of_nobody(void **state)
{
	struct fixture *f = *state;
	struct slots_hold hold;
	uint32_t worker;

	for (int i = 0; i <= MOST; i++)
		take(f, 1);
	assert_true(slots_choose(f->slots, &hold, &worker));
	slots_give_back(f->slots, hold.slot);
	assert_int_equal(take(f, 1), hold.slot);
	assert_null(slots_holder(f->slots, hold));
}

/* The login of a relay's client is its client's. */
static void test_a_slot_moves(void **state)
{
	struct fixture *f = *state;
	uint16_t slot[MOST];

	for (uint8_t i = 0; i < MOST; i++) {
		struct peer p = peer((uint8_t)(100 + i / 3));
		slot[i] = take(f, 1);
		slots_move(f->slots, slot[i], &p);
	}
	assert_int_equal(addresses_live(f->addresses), 4);
	take(f, 2);
	assert_goes(f, slot[0], 1); /* of three with three each, the oldest; the worker's number stays */
	for (int i = 1; i < MOST; i++)
		slots_give_back(f->slots, slot[i]);
	assert_int_equal(slots_taken(f->slots), 1);
	assert_int_equal(addresses_live(f->addresses), 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_the_oldest_of_the_most_goes),
	    T(test_among_equals_the_newcomers_address_pays),
	    T(test_a_burst_is_shared_out),
	    T(test_who_is_on_the_way_may_have_to_go),
	    T(test_the_bridge_ends),
	    T(test_an_old_hold_is_of_nobody),
	    T(test_a_slot_moves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
