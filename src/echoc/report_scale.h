/* The axes that the charts of a report share, so that its runs can be compared by looking. */
#ifndef ECHOC_REPORT_SCALE_H
#define ECHOC_REPORT_SCALE_H

#include "report_axis.h"
#include "report_read.h"

#define REPORT_BINS_MAX 120

struct report_scale {
	bool has_trips, has_times;  /* whether there is anything over time, and any histogram */
	struct report_axis seconds; /* of a run */
	struct report_axis trip;    /* ns: what is drawn over time */
	struct report_axis rank;    /* 1/(1 - percentile) */
	struct report_axis value;   /* ns: what the percentiles are drawn over */
	struct report_axis bin_ns;  /* ns: logarithmic, cut into `bins` of one width */
	struct report_axis share;   /* of the samples in a bin, in percent */
	size_t bins;
};

/* narrow: the charts over time and the histograms stand side by side. */
void report_scale_fit(struct report_scale *, const struct report_set *, bool narrow);

/* Counts the run's samples by bin. */
void report_scale_count(const struct report_scale *, const struct run *, uint64_t bin[REPORT_BINS_MAX]);

#endif
