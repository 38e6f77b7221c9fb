/*
 * Times over time, thinned out: however many come, a fixed number of columns holds them, and each keeps the shortest
 * and the longest, so that no spike is lost. The columns grow twice as wide whenever the last one is full.
 */
#ifndef ECHOC_REPORT_SERIES_H
#define ECHOC_REPORT_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPORT_COLUMNS     1024 /* about as many as a screen has pixels for them */
#define REPORT_SECONDS_MAX 1e10 /* 300 years: beyond it is no time of a run */

struct report_column {
	uint64_t count, missed;  /* that came back; that did not */
	double min_ns, max_ns;   /* of use only where count > 0, as is sum_ns */
	double min_s, max_s;     /* when these were */
	double sum_ns, missed_s; /* when the first one was missed */
};

struct report_series {
	double width_s; /* of a column */
	double end_s;   /* the latest time that was given */
	uint64_t count; /* of all columns */
	struct report_column column[REPORT_COLUMNS];
};

void report_series_init(struct report_series *);
/* ns: NAN where nothing came back. Returns whether at_s is a time (from 0 to REPORT_SECONDS_MAX) and was taken. */
bool report_series_add(struct report_series *, double at_s, double ns);
/* How many columns there are up to the last one in use. */
size_t report_series_columns(const struct report_series *);
/* Whether each column stands for one sample at most, so that all of them are there. */
bool report_series_is_whole(const struct report_series *);

#endif
