/* The histogram against the sorted samples themselves: counts, ends, mean and every percentile within its promise. */
#include "histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "clock.h"

#define SAMPLES 20000

static uint64_t random_state;

static uint64_t random64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static struct histogram one, two, both;
static uint64_t samples[SAMPLES];

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Of any magnitude, as often as of any other. */
static uint64_t random_ns(void)
{
	return (random64() >> (22 + random64() % 42)) % (HISTOGRAM_MAX_NS + 1);
}

/* Never below the truth, above it by less than 1/1024. */
static void assert_near(uint64_t told, uint64_t truth)
{
	assert_true(told >= truth);
	assert_true(told - truth <= truth / 1024);
}

static void assert_like_sorted(const struct histogram *h, uint64_t *sorted, size_t count)
{
	double sum = 0;

	qsort(sorted, count, sizeof(*sorted), by_size);
	for (size_t i = 0; i < count; i++)
		sum += (double)sorted[i];
	assert_int_equal(h->count, count);
	assert_int_equal(h->min_ns, sorted[0]);
	assert_int_equal(h->max_ns, sorted[count - 1]);
	assert_true(histogram_mean_ns(h) >= sum / (double)count * 0.999999);
	assert_true(histogram_mean_ns(h) < sum / (double)count * 1.000001 + 1e-9);
	for (uint64_t share = 0; share <= HISTOGRAM_WHOLE; share += 10) {
		uint64_t rank = (count * share + HISTOGRAM_WHOLE - 1) / HISTOGRAM_WHOLE;
		assert_near(histogram_at(h, share), sorted[rank ? rank - 1 : 0]);
	}
}

static void test_random_samples(void **state)
{
	static const size_t counts[] = {1, 2, 3, 10, 999, 1000, 1001, SAMPLES};

	(void)state;
	for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++) {
		histogram_init(&one);
		for (size_t i = 0; i < counts[k]; i++) {
			samples[i] = random_ns();
			histogram_add(&one, samples[i]);
		}
		assert_like_sorted(&one, samples, counts[k]);
	}
}

/* Each bucket's ends are where the next begins: no value falls between two or into another's. */
static void test_buckets_are_in_a_row(void **state)
{
	uint64_t last = 0;

	(void)state;
	assert_int_equal(histogram_index(0), 0);
	for (uint64_t ns = 1; ns <= HISTOGRAM_MAX_NS; ns += ns / 2048 + 1) {
		uint64_t index = histogram_index(ns);
		assert_true(index == last || index == last + 1);
		last = index;
	}
	assert_true(histogram_index(HISTOGRAM_MAX_NS) < HISTOGRAM_BUCKETS);
	for (uint64_t ns = 0; ns < 2048; ns++)
		assert_int_equal(histogram_index(ns), ns);
}

static void test_every_magnitude_is_near(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 42; bit++) {
		for (int off = -1; off <= 1; off++) {
			uint64_t ns = (UINT64_C(1) << bit) + (uint64_t)off;
			if (ns > HISTOGRAM_MAX_NS)
				continue;
			histogram_init(&one);
			histogram_add(&one, ns);
			histogram_add(&one, HISTOGRAM_MAX_NS); /* so that the largest does not hide the bucket's end */
			assert_near(histogram_at(&one, 50000), ns);
		}
	}
}

static void test_more_than_an_hour(void **state)
{
	(void)state;
	histogram_init(&one);
	histogram_add(&one, UINT64_C(1) << 60);
	assert_int_equal(one.count, 1);
	assert_int_equal(one.max_ns, UINT64_C(1) << 60);
	assert_near(histogram_at(&one, 50000), HISTOGRAM_MAX_NS);
}

static void test_empty(void **state)
{
	(void)state;
	histogram_init(&one);
	assert_int_equal(histogram_at(&one, 99000), 0);
	assert_true(histogram_mean_ns(&one) == 0);
}

static void test_merge_and_subtract(void **state)
{
	(void)state;
	histogram_init(&one);
	histogram_init(&two);
	for (size_t i = 0; i < SAMPLES; i++) {
		samples[i] = random_ns();
		histogram_add(i % 3 ? &one : &two, samples[i]);
	}
	histogram_init(&both);
	histogram_merge(&both, &one);
	histogram_merge(&both, &two);
	assert_like_sorted(&both, samples, SAMPLES);

	histogram_subtract(&both, &one); /* what is left is two, but for the ends */
	assert_int_equal(both.count, two.count);
	assert_int_equal(both.sum_ns, two.sum_ns);
	assert_true(both.min_ns <= two.min_ns);
	assert_near(both.max_ns, two.max_ns);
	for (uint64_t share = 0; share < HISTOGRAM_WHOLE; share += 100)
		assert_int_equal(histogram_at(&both, share), histogram_at(&two, share));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_random_samples),
	    cmocka_unit_test(test_buckets_are_in_a_row),
	    cmocka_unit_test(test_every_magnitude_is_near),
	    cmocka_unit_test(test_more_than_an_hour),
	    cmocka_unit_test(test_empty),
	    cmocka_unit_test(test_merge_and_subtract),
	};
	const char *given = getenv("TEST_SEED");

	random_state = given ? strtoull(given, NULL, 10) : clock_now_ns();
	printf("TEST_SEED=%llu\n", (unsigned long long)random_state);
	random_state = random_state * UINT64_C(0x9e3779b97f4a7c15) | 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
