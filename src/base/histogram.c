#include "histogram.h"

void histogram_init(struct histogram *h)
{
	*h = (struct histogram){.min_ns = UINT64_MAX};
}

uint64_t histogram_upper_ns(uint64_t index)
{
	uint64_t shift = index < 2048 ? 0 : index / 1024 - 1;

	return ((index - shift * 1024 + 1) << shift) - 1;
}

static uint64_t lower_end(uint64_t index)
{
	return index > 0 ? histogram_upper_ns(index - 1) + 1 : 0;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	into->count += from->count;
	into->sum_ns += from->sum_ns;
	if (from->min_ns < into->min_ns)
		into->min_ns = from->min_ns;
	if (from->max_ns > into->max_ns)
		into->max_ns = from->max_ns;
	for (uint64_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		into->bucket[i] += from->bucket[i];
}

void histogram_subtract(struct histogram *h, const struct histogram *earlier)
{
	h->count -= earlier->count;
	h->sum_ns -= earlier->sum_ns;
	h->min_ns = UINT64_MAX;
	h->max_ns = 0;
	for (uint64_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		h->bucket[i] -= earlier->bucket[i];
		if (h->bucket[i] == 0)
			continue;
		if (h->min_ns == UINT64_MAX)
			h->min_ns = lower_end(i);
		h->max_ns = histogram_upper_ns(i);
	}
}

uint64_t histogram_at(const struct histogram *h, uint64_t share)
{
	uint64_t rank = (h->count * share + HISTOGRAM_WHOLE - 1) / HISTOGRAM_WHOLE, seen = 0;

	if (h->count == 0)
		return 0;
	if (rank == 0)
		rank = 1;
	for (uint64_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen >= rank) /* nothing is reported beyond the longest that there was */
			return histogram_upper_ns(i) < h->max_ns ? histogram_upper_ns(i) : h->max_ns;
	}
	return h->max_ns;
}

double histogram_mean_ns(const struct histogram *h)
{
	return h->count > 0 ? (double)h->sum_ns / (double)h->count : 0;
}
