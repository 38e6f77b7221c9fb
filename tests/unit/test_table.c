/* The bounded table: what it finds, and what goes when it is full, beside a model that looks at everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "must.h"
#include "table.h"

#define CAP   64
#define KEYS  200
#define STEPS 200000

struct thing {
	struct table_entry entry;
	uint64_t value;
};

static int callocs_left = -1; /* -1: all succeed */

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
	if (callocs_left == 0)
		return NULL;
	callocs_left -= callocs_left > 0;
	return __real_calloc(n, size);
}

static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((random_state >> 33) % n);
}

static void seed(void)
{
	const char *given = getenv("TEST_SEED");

	random_state = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
	printf("TEST_SEED=%llu\n", (unsigned long long)random_state);
}

/* Many of the keys share a bucket. */
static const uint64_t *key_of(uint32_t i)
{
	static uint64_t key[2];

	key[0] = i % 16;
	key[1] = i;
	return key;
}

struct model {
	bool there[KEYS];
	uint64_t rank[KEYS], value[KEYS];
	uint32_t count;
};

static void check(const struct table *t, const struct model *m)
{
	uint64_t lowest = UINT64_MAX;

	assert_int_equal(t->count, m->count);
	for (uint32_t i = 0; i < KEYS; i++) {
		const struct thing *thing = (const struct thing *)(const void *)table_find(t, key_of(i));
		assert_int_equal(thing != NULL, m->there[i]);
		if (!thing)
			continue;
		assert_int_equal(thing->entry.rank, m->rank[i]);
		assert_int_equal(thing->value, m->value[i]);
		if (m->rank[i] < lowest)
			lowest = m->rank[i];
	}
	if (m->count > 0)
		assert_int_equal(table_lowest(t)->rank, lowest);
	else
		assert_null(table_lowest(t));
}

static bool all_pinned(const struct model *m)
{
	for (uint32_t i = 0; i < KEYS; i++) {
		if (m->there[i] && m->rank[i] != TABLE_PINNED)
			return false;
	}
	return true;
}

static uint64_t some_rank(void)
{
	return random_below(8) == 0 ? TABLE_PINNED : random_below(1000);
}

static void step_absent(struct table *t, struct model *m, uint32_t i, uint64_t value)
{
	uint32_t gone = m->count == CAP && !all_pinned(m) ? (uint32_t)table_lowest(t)->key[1] : KEYS;
	struct thing *thing = (struct thing *)(void *)table_add(t, key_of(i));

	if (m->count == CAP && gone == KEYS) {
		assert_null(thing);
		return;
	}
	assert_non_null(thing);
	assert_int_equal(thing->value, 0);
	if (gone < KEYS) {
		m->there[gone] = false;
		m->count--;
	}
	thing->value = value;
	m->there[i] = true;
	m->value[i] = value;
	m->rank[i] = some_rank();
	m->count++;
	table_set_rank(t, &thing->entry, m->rank[i]);
}

static void step_present(struct table *t, struct model *m, uint32_t i)
{
	struct table_entry *e = table_find(t, key_of(i));

	if (random_below(3) == 0) {
		table_remove(t, e);
		m->there[i] = false;
		m->count--;
	} else {
		m->rank[i] = some_rank();
		table_set_rank(t, e, m->rank[i]);
	}
}

static void it_does_what_a_model_does(void **state)
{
	static struct model m;
	struct table t;

	(void)state;
	seed();
	assert_int_equal(table_init(&t, CAP, sizeof(struct thing)), 0);
	for (uint32_t step = 0; step < STEPS; step++) {
		uint32_t i = random_below(KEYS);
		if (m.there[i])
			step_present(&t, &m, i);
		else
			step_absent(&t, &m, i, step + 1);
		if (step % 37 == 0)
			check(&t, &m);
	}
	table_fini(&t);
}

static void the_lowest_goes_and_the_pinned_stay(void **state)
{
	struct table t;

	(void)state;
	assert_int_equal(table_init(&t, 4, sizeof(struct thing)), 0);
	for (uint32_t i = 0; i < 4; i++)
		table_set_rank(&t, table_add(&t, key_of(i)), i == 0 ? TABLE_PINNED : 100 - i);
	table_set_rank(&t, table_add(&t, key_of(4)), TABLE_PINNED);
	assert_null(table_find(&t, key_of(3))); /* 97 */
	assert_non_null(table_find(&t, key_of(0)));
	table_set_rank(&t, table_add(&t, key_of(5)), TABLE_PINNED);
	table_set_rank(&t, table_add(&t, key_of(6)), TABLE_PINNED);
	assert_null(table_add(&t, key_of(7)));
	assert_int_equal(t.count, 4);
	table_fini(&t);
}

static void without_memory_there_is_no_table(void **state)
{
	struct table t;

	(void)state;
	for (callocs_left = 0; callocs_left < 3;) {
		int allowed = callocs_left;
		assert_int_equal(table_init(&t, CAP, sizeof(struct thing)), -ENOMEM);
		callocs_left = allowed + 1;
	}
	callocs_left = -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(it_does_what_a_model_does),
	    cmocka_unit_test(the_lowest_goes_and_the_pinned_stay),
	    cmocka_unit_test(without_memory_there_is_no_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
