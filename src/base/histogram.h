/*
 * A log-linear histogram of durations in nanoseconds, as HdrHistogram's with three significant digits
 * (https://hdrhistogram.org): exact below 2,048 ns, above that 1,024 buckets to each power of two. Whatever stands in a
 * bucket is reported as the bucket's upper end, so a reported value is never below the true one, and above it by less
 * than 1/1024 (0.1 %). Memory is fixed; nothing here allocates or locks.
 */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_MAX_NS  (UINT64_C(3600) * 1000000000) /* an hour; longer ones stand in its bucket */
#define HISTOGRAM_BUCKETS (31 * 1024 + 2048)            /* the hour's highest bit is 41: 31 octaves above 2,048 */

/* What the percentiles are counted in: parts of a hundred thousand, so that p99.99 is 99990 and no rounding decides. */
#define HISTOGRAM_WHOLE UINT64_C(100000)

struct histogram {
	uint64_t count, sum_ns;
	uint64_t min_ns, max_ns; /* exact, of what was added; of use only where count > 0 */
	uint64_t bucket[HISTOGRAM_BUCKETS];
};

void histogram_init(struct histogram *);

static inline uint64_t histogram_index(uint64_t ns)
{
	unsigned shift = 53 - (unsigned)__builtin_clzll(ns | 1024); /* 0 up to 2,047 */

	return shift * UINT64_C(1024) + (ns >> shift);
}

/* The largest value that stands in a bucket. */
uint64_t histogram_upper_ns(uint64_t index);

/* In the header because it runs once or twice a message. */
static inline void histogram_add(struct histogram *h, uint64_t ns)
{
	h->count++;
	h->sum_ns += ns;
	if (ns < h->min_ns)
		h->min_ns = ns;
	if (ns > h->max_ns)
		h->max_ns = ns;
	h->bucket[histogram_index(ns < HISTOGRAM_MAX_NS ? ns : HISTOGRAM_MAX_NS)]++;
}

/* Adds to into all that is in from. */
void histogram_merge(struct histogram *into, const struct histogram *from);

/*
 * Takes from h what was in it when it was copied to earlier, which leaves what was added since. min_ns and max_ns are
 * then ends of buckets.
 */
void histogram_subtract(struct histogram *h, const struct histogram *earlier);

/*
 * The smallest reported value that at least share of HISTOGRAM_WHOLE of what was added does not exceed (the nearest
 * rank): 50000 is the median. 0 when nothing was added.
 */
uint64_t histogram_at(const struct histogram *, uint64_t share);

/* Exact. 0 when nothing was added. */
double histogram_mean_ns(const struct histogram *);

#endif
