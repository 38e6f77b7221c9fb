/* What it costs to record a latency, and to ask for a percentile. */
#include "histogram.h"
#include "micro.h"

static struct histogram h;

static void time_add(uint64_t count)
{
	uint64_t ns = 88172645463325252u, begin_ns = micro_now_ns();

	for (uint64_t i = 0; i < count; i++) {
		/* Marsaglia's xorshift: latencies from 0 to 16 ms, so that the buckets do not sit in the first cache.
		 */
		ns ^= ns << 13;
		ns ^= ns >> 7;
		ns ^= ns << 17;
		histogram_add(&h, ns >> 40);
	}
	micro_report("histogram_add", begin_ns, count);
}

static void time_at(uint64_t count)
{
	histogram_add(&h, HISTOGRAM_MAX_NS);
	uint64_t begin_ns = micro_now_ns();
	for (uint64_t i = 0; i < count; i++)
		micro_keep(histogram_at(&h, HISTOGRAM_WHOLE));
	micro_report("histogram_at", begin_ns, count);
}

int main(int argc, char **argv)
{
	uint64_t count = micro_count(argc, argv, 1000000);

	histogram_init(&h);
	if (micro_wants(argc, argv, "histogram_add"))
		time_add(count);
	if (micro_wants(argc, argv, "histogram_at"))
		time_at(count / 1000 + 1);
	return 0;
}
