/* Who gets to a password thread, when, and who is sent away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate.h"
#include "throttle_fixture.h"

#define MANY 200

enum state { NEW, WAITS, CHECKED, BUSY, PENALTY, ENDED };

struct question {
	struct gate_pass pass;
	enum state state;
	unsigned turn; /* when it was let in */
	uint64_t wait_ms;
};

struct house {
	struct gate gate;
	unsigned turns;
	struct question question[MANY];
};

static void enter(struct gate *g, struct gate_pass *p)
{
	struct question *q = container_of(p, struct question, pass);
	struct house *h = container_of(g, struct house, gate);

	assert_true(q->state == NEW || q->state == WAITS);
	q->state = CHECKED;
	q->turn = ++h->turns;
}

static void refuse(struct gate *g, struct gate_pass *p, enum gate_refusal why, uint64_t wait_ms)
{
	struct question *q = container_of(p, struct question, pass);

	(void)g;
	assert_true(q->state == NEW || q->state == WAITS);
	q->state = why == GATE_BUSY ? BUSY : PENALTY;
	q->wait_ms = wait_ms;
}

static struct house *build(unsigned room, uint32_t address_failures, uint32_t account_failures)
{
	struct house *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	h->gate = (struct gate){.throttle = throttle_fixture_make(address_failures, account_failures),
	                        .room = room,
	                        .enter = enter,
	                        .refuse = refuse};
	gate_init(&h->gate);
	return h;
}

static void pull_down(struct house *h)
{
	while (gate_withdraw(&h->gate))
		;
	assert_int_equal(h->gate.waiting, 0);
	throttle_destroy(h->gate.throttle);
	free(h);
}

static enum state ask_as(struct house *h, unsigned i, uint32_t address, const char *name, bool counts, uint64_t now_ms)
{
	struct question *q = &h->question[i];
	struct peer from = throttle_fixture_v4(address);

	q->state = NEW;
	gate_ask(&h->gate, &q->pass, &from, name, counts, now_ms);
	if (q->state == NEW)
		q->state = WAITS;
	return q->state;
}

static enum state ask(struct house *h, unsigned i, uint32_t address, uint64_t now_ms)
{
	return ask_as(h, i, address, "anna", true, now_ms);
}

static void end(struct house *h, unsigned i, enum throttle_outcome outcome, uint64_t now_ms)
{
	assert_int_equal(h->question[i].state, CHECKED);
	h->question[i].state = ENDED;
	gate_end(&h->gate, &h->question[i].pass, outcome, now_ms);
}

static void as_many_as_there_is_room_for_and_the_rest_in_turn(void **state)
{
	struct house *h = build(2, 10, 100);

	(void)state;
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(ask(h, i, i, START_MS), i < 2 ? CHECKED : WAITS);
	for (unsigned i = 0; i < 6; i++) {
		end(h, i, THROTTLE_IN, START_MS);
		if (i + 2 < 6)
			assert_int_equal(h->question[i + 2].turn, i + 3);
	}
	assert_int_equal(h->gate.under_way, 0);
	assert_int_equal(h->gate.waiting, 0);
	pull_down(h);
}

static void four_of_one_address_wait_and_sixty_four_in_all(void **state)
{
	struct house *h = build(1, 10, 100);
	unsigned i = 0;

	(void)state;
	assert_int_equal(ask(h, i++, 1000, START_MS), CHECKED);
	for (uint32_t address = 0; address < 15; address++) {
		for (int n = 0; n < 4; n++)
			assert_int_equal(ask(h, i++, address, START_MS), WAITS);
		assert_int_equal(ask(h, i++, address, START_MS), BUSY);
	}
	for (int n = 0; n < 4; n++) /* a load test on this machine */
		assert_int_equal(ask_as(h, i++, 99, "anna", false, START_MS), WAITS);
	assert_int_equal(h->gate.waiting, GATE_WAITING);
	assert_int_equal(ask_as(h, i++, 99, "anna", false, START_MS), BUSY);
	assert_int_equal(ask(h, i++, 98, START_MS), BUSY);
	pull_down(h);
}

static void local_ones_fill_the_queue_alone(void **state)
{
	struct house *h = build(1, 10, 100);
	unsigned i = 0;

	(void)state;
	assert_int_equal(ask_as(h, i++, 1, "anna", false, START_MS), CHECKED);
	while (i <= GATE_WAITING)
		assert_int_equal(ask_as(h, i++, 1, "anna", false, START_MS), WAITS);
	assert_int_equal(ask_as(h, i++, 1, "anna", false, START_MS), BUSY);
	pull_down(h);
}

static void nobody_waits_for_longer_than_ten_seconds(void **state)
{
	struct house *h = build(1, 10, 100);

	(void)state;
	assert_int_equal(gate_advance(&h->gate, START_MS), 0);
	assert_int_equal(ask(h, 0, 1, START_MS), CHECKED);
	assert_int_equal(ask(h, 1, 2, START_MS), WAITS);
	assert_int_equal(ask(h, 2, 3, START_MS + 4000), WAITS);
	assert_int_equal(gate_advance(&h->gate, START_MS + 9999), 1);
	assert_int_equal(h->question[1].state, WAITS);
	assert_int_equal(gate_advance(&h->gate, START_MS + 10000), 4000);
	assert_int_equal(h->question[1].state, BUSY);
	assert_int_equal(ask(h, 3, 3, START_MS + 15000), WAITS); /* a newcomer's coming ends the wait, too */
	assert_int_equal(h->question[2].state, BUSY);
	end(h, 0, THROTTLE_FAILED, START_MS + 15000);
	assert_int_equal(h->question[3].state, CHECKED);
	assert_int_equal(gate_advance(&h->gate, START_MS + 60000), 0);
	pull_down(h);
}

/* Of parallel guesses of one address, the budget's worth is checked, whoever waits; and others pass by. */
static void guesses_wait_for_each_other_and_others_do_not(void **state)
{
	struct house *h = build(8, 3, 100);

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(ask(h, i, 1, START_MS), i < 3 ? CHECKED : WAITS);
	assert_int_equal(ask(h, 5, 2, START_MS), CHECKED);
	end(h, 0, THROTTLE_IN, START_MS);
	assert_int_equal(h->question[3].state, CHECKED);
	assert_int_equal(h->question[4].state, WAITS);
	for (unsigned i = 1; i < 4; i++)
		end(h, i, THROTTLE_FAILED, START_MS + i);
	assert_int_equal(h->question[4].state, PENALTY);
	assert_int_equal(h->question[4].wait_ms, THROTTLE_REFILL_MS - 2);
	assert_int_equal(ask(h, 6, 1, START_MS + 3), PENALTY);
	assert_int_equal(ask(h, 7, 1, START_MS + 1 + THROTTLE_REFILL_MS), CHECKED);
	pull_down(h);
}

static void a_crowd_behind_one_address_gets_in(void **state)
{
	struct house *h = build(16, 10, 100);

	(void)state;
	for (unsigned i = 0; i < 60; i++)
		assert_int_equal(ask_as(h, i, 1, "anna", false, START_MS), i < 10 ? CHECKED : WAITS);
	for (unsigned i = 0; i < 60; i++)
		end(h, i, THROTTLE_IN, START_MS);
	assert_int_equal(h->turns, 60);
	pull_down(h);
}

static void owners_go_first_and_push_others_out(void **state)
{
	struct house *h = build(1, 10, 100);
	struct peer home = throttle_fixture_v4(500);
	unsigned i = 0;

	(void)state;
	throttle_remember(h->gate.throttle, &home, "olga", START_MS);
	assert_int_equal(ask(h, i++, 1000, START_MS), CHECKED);
	for (; i <= GATE_WAITING; i++)
		assert_int_equal(ask(h, i, i, START_MS), WAITS);
	assert_int_equal(ask_as(h, i, 500, "anna", true, START_MS), BUSY); /* known, but not to her */
	assert_int_equal(ask_as(h, i, 501, "olga", true, START_MS), BUSY);
	assert_int_equal(ask_as(h, i, 500, "olga", true, START_MS), WAITS);
	assert_int_equal(h->question[i - 1].state, BUSY);
	assert_int_equal(h->question[i - 2].state, WAITS);
	assert_int_equal(h->gate.waiting, GATE_WAITING);
	end(h, 0, THROTTLE_FAILED, START_MS);
	assert_int_equal(h->question[i].state, CHECKED);
	assert_int_equal(ask(h, i + 1, 77, START_MS), WAITS); /* behind those who came before */
	end(h, i, THROTTLE_IN, START_MS);
	assert_int_equal(h->question[1].state, CHECKED);
	pull_down(h);
}

static void a_queue_of_owners_pushes_nobody_out(void **state)
{
	struct house *h = build(1, 10, 100);
	unsigned i = 0;

	(void)state;
	for (uint32_t address = 0; address < MANY; address++) {
		struct peer from = throttle_fixture_v4(address);
		throttle_remember(h->gate.throttle, &from, address % 2 ? "anna" : "ben", START_MS);
	}
	for (uint32_t address = MANY - 8; address < MANY; address++) { /* the names' latest */
		for (int n = 0; n < 8; n++)
			(void)ask_as(h, i++, address, address % 2 ? "anna" : "ben", false, START_MS);
	}
	assert_int_equal(ask_as(h, i++, MANY - 1, "anna", false, START_MS), WAITS);
	assert_int_equal(h->gate.waiting, GATE_WAITING);
	assert_int_equal(ask_as(h, i, MANY - 1, "anna", false, START_MS), BUSY);
	pull_down(h);
}

static void what_waits_can_be_withdrawn(void **state)
{
	struct house *h = build(1, 10, 100);
	struct peer home = throttle_fixture_v4(4);

	(void)state;
	throttle_remember(h->gate.throttle, &home, "anna", START_MS);
	for (unsigned i = 0; i < 5; i++)
		(void)ask(h, i, i, START_MS);
	assert_ptr_equal(gate_withdraw(&h->gate), &h->question[4].pass);
	for (unsigned i = 1; i < 4; i++)
		assert_ptr_equal(gate_withdraw(&h->gate), &h->question[i].pass);
	assert_null(gate_withdraw(&h->gate));
	assert_int_equal(ask(h, 5, 5, START_MS), WAITS);
	pull_down(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(as_many_as_there_is_room_for_and_the_rest_in_turn),
	    cmocka_unit_test(four_of_one_address_wait_and_sixty_four_in_all),
	    cmocka_unit_test(local_ones_fill_the_queue_alone),
	    cmocka_unit_test(nobody_waits_for_longer_than_ten_seconds),
	    cmocka_unit_test(guesses_wait_for_each_other_and_others_do_not),
	    cmocka_unit_test(a_crowd_behind_one_address_gets_in),
	    cmocka_unit_test(owners_go_first_and_push_others_out),
	    cmocka_unit_test(a_queue_of_owners_pushes_nobody_out),
	    cmocka_unit_test(what_waits_can_be_withdrawn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
