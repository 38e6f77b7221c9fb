/* An axis of a chart: from values to pixels, and where its ticks are. */
#ifndef ECHOC_REPORT_AXIS_H
#define ECHOC_REPORT_AXIS_H

#include <stdbool.h>
#include <stddef.h>

#define REPORT_TICKS_MAX 32

struct report_axis {
	bool is_log;      /* then low > 0 */
	double low, high; /* values; low < high */
	double from, to;  /* pixels that stand for them; to may be the smaller one */
	double step;      /* between the ticks of an axis that is not logarithmic */
	size_t ticks;
	double tick[REPORT_TICKS_MAX]; /* from low to high */
};

/*
 * An axis of the values from low to high (0 <= low <= high; both finite; 0 < low where it is logarithmic), rounded out
 * to ticks that are 1, 2 or 5 times a power of ten. At most `most` ticks, and at least two.
 */
void report_axis_fit(struct report_axis *, double low, double high, bool is_log, size_t most);
/* The same for seconds from 0: ticks at whole seconds, minutes, hours or days; it ends with end_s. */
void report_axis_fit_seconds(struct report_axis *, double end_s, size_t most);

/* The pixel for a value; one beyond the axis stands at its end. */
double report_axis_at(const struct report_axis *, double value);

#endif
