/* The search for the idle time of a cut, against cuts that are made up: TEST_SEED repeats those that are random. */
#include "idle_search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "clock.h"

#define ROUNDS_MAX 200
#define NEVER      UINT64_MAX

static uint64_t random_state;

static uint64_t random64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* A path: what becomes of a connection that is to idle so long. */
struct path {
	uint64_t cut_ms, other_cut_ms; /* of every second one by chance, where it is not 0 */
	bool active;                   /* the cut is seen */
	uint64_t late_ms;              /* connections are so much late, at most */
	uint64_t broken_round;         /* in this round everything is cut from broken_ms on */
	uint64_t broken_ms;
};

static struct idle_search search;
static uint64_t took_ms; /* by the clock of the path */

static struct idle_finding idle(const struct path *p, uint64_t idle_ms)
{
	uint64_t cut = p->other_cut_ms && random64() % 2 ? p->other_cut_ms : p->cut_ms;
	uint64_t late = p->late_ms ? random64() % (p->late_ms + 1) : 0;

	if (p->broken_round == search.round && p->broken_ms < cut)
		cut = p->broken_ms;
	if (p->active && cut <= idle_ms)
		return (struct idle_finding){.idle_ms = cut + late, .outcome = IDLE_CUT_FIN, .exact = true};
	return (struct idle_finding){.idle_ms = idle_ms + late,
	                             .outcome = cut <= idle_ms + late ? IDLE_CUT_SILENT : IDLE_SURVIVED};
}

/* A round as idle.c makes it: what is not wanted any more is not waited for. */
static void run_round(const struct path *p, size_t connections)
{
	uint64_t times[IDLE_CONNECTIONS_MAX], end_ms = 0;
	size_t n = idle_search_next(&search, connections, times);

	assert_in_range(n, 1, connections);
	for (size_t i = 0; i < n; i++) {
		assert_true(i == 0 || times[i] > times[i - 1]);
		if (!idle_search_wants(&search, times[i]))
			continue;
		struct idle_finding f = idle(p, times[i]);
		uint64_t seen_ms = f.idle_ms + (f.outcome == IDLE_CUT_SILENT ? idle_search_answer_ms(f.idle_ms) : 0);
		idle_search_add(&search, &f);
		end_ms = seen_ms > end_ms ? seen_ms : end_ms;
	}
	took_ms += end_ms;
}

static unsigned run(const struct path *p, uint64_t min_ms, uint64_t max_ms, uint64_t resolution_ms, size_t connections)
{
	unsigned rounds = 0;

	idle_search_init(&search, min_ms, max_ms, resolution_ms);
	took_ms = 0;
	while (!idle_search_is_done(&search)) {
		assert_true(rounds++ < ROUNDS_MAX);
		run_round(p, connections);
	}
	return rounds;
}

/* ---- what is tried ---- */

static void test_first_round_is_geometric(void **state)
{
	uint64_t times[IDLE_CONNECTIONS_MAX];

	(void)state;
	idle_search_init(&search, 1000, 1000000, 1000);
	assert_int_equal(idle_search_next(&search, 4, times), 4);
	assert_in_range(times[0], 999, 1000);
	assert_in_range(times[1], 9990, 10000);
	assert_in_range(times[2], 99900, 100000);
	assert_int_equal(times[3], 1000000);
}

static void test_nothing_is_tried_nearer_than_need_be(void **state)
{
	uint64_t times[IDLE_CONNECTIONS_MAX];

	(void)state;
	idle_search_init(&search, 1000, 1400, 1000);
	assert_int_equal(idle_search_next(&search, 8, times), 1);
	assert_int_equal(times[0], 1400);
	idle_search_init(&search, 1000, 3000, 1000);
	assert_in_range(idle_search_next(&search, 64, times), 2, 3);
}

static void test_one_connection_tries_the_longest_first(void **state)
{
	uint64_t times[IDLE_CONNECTIONS_MAX];

	(void)state;
	idle_search_init(&search, 1000, 64000, 1000);
	assert_int_equal(idle_search_next(&search, 1, times), 1);
	assert_int_equal(times[0], 64000);
}

static void test_what_is_not_wanted_any_more(void **state)
{
	uint64_t times[IDLE_CONNECTIONS_MAX];
	struct idle_finding cut = {.idle_ms = 8000, .outcome = IDLE_CUT_SILENT};

	(void)state;
	idle_search_init(&search, 1000, 64000, 1000);
	(void)idle_search_next(&search, 7, times);
	assert_true(idle_search_wants(&search, 64000));
	idle_search_add(&search, &cut);
	assert_true(idle_search_wants(&search, 4000));
	assert_false(idle_search_wants(&search, 8000));
	assert_false(idle_search_wants(&search, 64000));
}

/* ---- what is found ---- */

static void test_no_cut(void **state)
{
	(void)state;
	assert_int_equal(run(&(struct path){.cut_ms = NEVER}, 1000, 900000, 1000, 8), 1);
	assert_null(idle_search_cut(&search));
	assert_int_equal(idle_search_lower_ms(&search), 900000);
	assert_int_equal(idle_search_beyond_ms(&search), 0);
}

static void test_cut_below_min(void **state)
{
	(void)state;
	for (int active = 0; active < 2; active++) {
		run(&(struct path){.cut_ms = 300, .active = active}, 1000, 900000, 1000, 8);
		assert_int_equal(idle_search_lower_ms(&search), 0);
		assert_int_equal(idle_search_cut(&search)->idle_ms, active ? 300 : 1000);
	}
}

static void test_a_balancer_of_350_s(void **state)
{
	const struct path path = {.cut_ms = 350000, .late_ms = 5};

	(void)state;
	assert_in_range(run(&path, 1000, 900000, 1000, 8), 3, 5);
	assert_true(idle_search_lower_ms(&search) < 350000);
	assert_in_range(idle_search_cut(&search)->idle_ms, 350000, 351000);
}

static void test_a_cut_that_is_seen_takes_two_rounds(void **state)
{
	const struct path path = {.cut_ms = 350000, .active = true, .late_ms = 5};

	(void)state;
	for (size_t connections = 2; connections <= 64; connections++) {
		assert_int_equal(run(&path, 1000, 900000, 1000, connections), 2);
		assert_in_range(idle_search_cut(&search)->idle_ms, 350000, 350005);
		assert_in_range(idle_search_lower_ms(&search), 349000, 350000);
	}
}

/* What happened once, at any time, is not taken for a limit without a word. */
static void test_a_moment_s_interruption(void **state)
{
	const struct path path = {.cut_ms = NEVER, .broken_round = 1, .broken_ms = 20000, .active = true};

	(void)state;
	run(&path, 1000, 900000, 1000, 8);
	assert_int_equal(idle_search_cut(&search)->idle_ms, 20000);
	assert_in_range(idle_search_beyond_ms(&search), 21000, 900000);
}

static void test_two_paths(void **state)
{
	const struct path path = {.cut_ms = 60000, .other_cut_ms = NEVER, .late_ms = 3};
	unsigned contradicted = 0;

	(void)state;
	for (int i = 0; i < 200; i++) {
		run(&path, 1000, 120000, 1000, 8);
		const struct idle_finding *cut = idle_search_cut(&search);
		assert_true(!cut || cut->idle_ms >= 60000);
		contradicted += idle_search_beyond_ms(&search) > 0;
	}
	assert_in_range(contradicted, 20, 199); /* about half */
}

static void test_it_ends_when_there_is_no_room(void **state)
{
	struct idle_finding survived = {.idle_ms = 1000, .outcome = IDLE_SURVIVED};

	(void)state;
	idle_search_init(&search, 1000, 2000, 100);
	for (int i = 0; i < IDLE_FOUND_MAX + 1; i++)
		idle_search_add(&search, &survived);
	assert_true(idle_search_is_done(&search));
	assert_int_equal(search.count, IDLE_FOUND_MAX);
}

static void check_random(void)
{
	uint64_t resolution = 100 + random64() % 5000, min = 100 + random64() % 10000;
	uint64_t max = min + 1 + (random64() >> (34 + random64() % 20)) % 10000000;
	size_t connections = 1 + random64() % IDLE_CONNECTIONS_MAX;
	struct path path = {
	    .cut_ms = 1 + random64() % (max + max / 8), .active = random64() % 2, .late_ms = random64() % 10};

	idle_search_init(&search, min, max, resolution);
	uint64_t most_ms = idle_search_rest_ms(&search, connections);
	unsigned rounds = run(&path, min, max, resolution, connections);
	const struct idle_finding *cut = idle_search_cut(&search);
	uint64_t lower = idle_search_lower_ms(&search);

	assert_true(took_ms <= most_ms + (path.late_ms + 1) * rounds * 2);
	assert_int_equal(idle_search_beyond_ms(&search), 0);
	if (!cut) {
		assert_true(lower >= max && path.cut_ms > max);
		return;
	}
	assert_true(lower < path.cut_ms && path.cut_ms <= cut->idle_ms);
	if (cut->exact)
		assert_true(cut->idle_ms <= path.cut_ms + path.late_ms);
	assert_true(cut->idle_ms - (lower ? lower : min) <= resolution || cut->idle_ms <= min + resolution);
	assert_true(lower > 0 || path.cut_ms <= min + resolution);
}

static void test_random_cuts(void **state)
{
	const char *given = getenv("TEST_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 10) : clock_now_ns();

	(void)state;
	fprintf(stderr, "TEST_SEED=%llu\n", (unsigned long long)seed);
	random_state = seed | 1;
	for (int i = 0; i < 20000; i++)
		check_random();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_first_round_is_geometric),
	    cmocka_unit_test(test_nothing_is_tried_nearer_than_need_be),
	    cmocka_unit_test(test_one_connection_tries_the_longest_first),
	    cmocka_unit_test(test_what_is_not_wanted_any_more),
	    cmocka_unit_test(test_no_cut),
	    cmocka_unit_test(test_cut_below_min),
	    cmocka_unit_test(test_a_balancer_of_350_s),
	    cmocka_unit_test(test_a_cut_that_is_seen_takes_two_rounds),
	    cmocka_unit_test(test_a_moment_s_interruption),
	    cmocka_unit_test(test_two_paths),
	    cmocka_unit_test(test_it_ends_when_there_is_no_room),
	    cmocka_unit_test(test_random_cuts),
	};

	random_state = clock_now_ns() | 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
