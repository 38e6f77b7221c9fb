/*
 * A chart of recent round trips for a terminal: a bar each, the newest at the right, over an axis on which those are
 * marked that never came. It knows no terminal: it writes lines.
 */
#ifndef ECHOC_CHART_H
#define ECHOC_CHART_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CHART_SAMPLES 1024 /* that are kept: two in each of 512 columns */
#define CHART_LABEL   9    /* columns of the scale at the left, with its line */

enum chart_kind {
	CHART_ECHOED,
	CHART_LATE, /* echoed, but late */
	CHART_GONE, /* lost, damaged, or not sent because there was no connection */
};

struct chart {
	uint64_t count; /* of all that were added */
	struct {
		enum chart_kind kind;
		uint64_t ns;
	} ring[CHART_SAMPLES];
};

struct chart_look {
	unsigned columns, rows; /* of the bars; more than CHART_LABEL columns, and a row at least */
	bool braille;           /* else ASCII */
};

/* Adds the newest; ns is of no account where it is gone. */
void chart_add(struct chart *, enum chart_kind, uint64_t ns);

/* The upper end of the scale, in ns: the longest that is shown, rounded up to 1, 2 or 5 times a power of ten. */
uint64_t chart_scale_ns(const struct chart *, const struct chart_look *);

/* Writes a line, without its end: rows 0 (at the top) to rows - 1 are bars, row rows is the axis. */
void chart_put_row(const struct chart *, const struct chart_look *, unsigned row, FILE *);

#endif
