/* What a load has come to: all numbers that are shown or judged, worked out once for the text and for the JSON. */
#ifndef ECHOC_LOAD_RESULT_H
#define ECHOC_LOAD_RESULT_H

#include <stdbool.h>
#include <stdint.h>

#include "load_measures.h"
#include "load_options.h"
#include "status.h"

#define LOAD_WARNINGS_MAX 8
#define LOAD_WARNING_MAX  640

/* Percentiles, in nanoseconds; those that too few samples stand behind have known unset. */
enum load_percentile { LOAD_P50, LOAD_P90, LOAD_P99, LOAD_P99_9, LOAD_P99_99, LOAD_PERCENTILES };

extern const char *const load_percentile_names[LOAD_PERCENTILES]; /* for a person: p99.9 */

struct load_times {
	uint64_t count;
	bool known[LOAD_PERCENTILES];
	uint64_t at_ns[LOAD_PERCENTILES];
	uint64_t min_ns, max_ns;
	double mean_ns;
};

/* Works out the percentiles of h. */
void load_times_read(struct load_times *, const struct histogram *);

struct load_result {
	const struct load_options *options;
	const char *where;
	const struct load_measures *measures; /* that it was judged from */
	struct load_counters counters;
	struct load_times service, response, set_up; /* response is of use in open loop only */
	int64_t started_us;                          /* wall clock */
	double window_s;                             /* as it was: shorter than asked for after a signal */
	bool interrupted;
	bool rate_reached;    /* in open loop */
	double cpu_share_max; /* of the busiest thread */
	bool generator_was_limit;
	unsigned warnings;
	char warning[LOAD_WARNINGS_MAX][LOAD_WARNING_MAX]; /* one sentence each */
	enum status status;
};

/*
 * Fills in from the measures what follows from them; where, options, started_us, window_s, interrupted and
 * cpu_share_max are set before. why: what went wrong first, or empty.
 */
void load_result_judge(struct load_result *, const struct load_measures *, const char *why);

/* n in the window, a second. */
double load_result_rate(const struct load_result *, uint64_t n);

#endif
