#include "report_hgrm.h"

#include <math.h>

#define TICKS    5 /* to each half of the distance to 100 %: HdrHistogram's own default */
#define NS_IN_MS 1e6

/* HdrHistogram's names for the histogram's form (histogram.h). */
#define BUCKETS     32
#define SUB_BUCKETS 2048

/* The level in percent that comes after this one (HdrHistogram's PercentileIterator). */
static double next_level(double level)
{
	double halvings = floor(log(100 / (100 - level)) / log(2)) + 1;

	return level + 100 / (TICKS * pow(2, halvings));
}

/* Bucket by bucket, a line for each level that is reached with it. */
static void put_levels(FILE *f, const struct histogram *h)
{
	uint64_t seen = 0;
	double level = 0;

	for (uint64_t i = 0; i < HISTOGRAM_BUCKETS && seen < h->count; i++) {
		if (h->bucket[i] == 0)
			continue;
		seen += h->bucket[i];
		double value = fmin((double)histogram_upper_ns(i), (double)h->max_ns) / NS_IN_MS;
		/* what reaches 100 % is told once at least, and then as 100 % */
		while (100 * (double)seen / (double)h->count >= level) {
			fprintf(f, "%12.6f %2.12f %10llu %14.2f\n", value, level / 100, (unsigned long long)seen,
			        1 / (1 - level / 100));
			level = next_level(level);
			if (seen == h->count)
				break;
		}
	}
	if (h->count > 0)
		fprintf(f, "%12.6f %2.12f %10llu\n", (double)h->max_ns / NS_IN_MS, 1.0, (unsigned long long)h->count);
}

/* A sample counts as the middle of its bucket. */
static double middle_ns(const struct histogram *h, uint64_t i)
{
	double low = i > 0 ? (double)histogram_upper_ns(i - 1) + 1 : 0, high = (double)histogram_upper_ns(i);

	return (fmax(low, (double)h->min_ns) + fmin(high, (double)h->max_ns)) / 2;
}

static double mean_ns(const struct histogram *h)
{
	double sum = 0;

	for (uint64_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		sum += h->bucket[i] ? (double)h->bucket[i] * middle_ns(h, i) : 0;
	return h->count > 0 ? sum / (double)h->count : 0;
}

static double deviation_ns(const struct histogram *h, double mean)
{
	double sum = 0;

	for (uint64_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		sum += h->bucket[i] ? (double)h->bucket[i] * pow(middle_ns(h, i) - mean, 2) : 0;
	return h->count > 0 ? sqrt(sum / (double)h->count) : 0;
}

void report_hgrm(FILE *f, const struct run *r)
{
	const struct histogram *h = &r->times;
	double mean = mean_ns(h);

	fprintf(f, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
	put_levels(f, h);
	fprintf(f, "#[Mean    = %12.6f, StdDeviation   = %12.6f]\n", mean / NS_IN_MS, deviation_ns(h, mean) / NS_IN_MS);
	fprintf(f, "#[Max     = %12.6f, Total count    = %12llu]\n", h->count > 0 ? (double)h->max_ns / NS_IN_MS : 0,
	        (unsigned long long)h->count);
	fprintf(f, "#[Buckets = %12d, SubBuckets     = %12d]\n", BUCKETS, SUB_BUCKETS);
}
