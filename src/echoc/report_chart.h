/* Charts in SVG, each an element that can stand in a page. Colours, dashes and fonts are its style sheet's. */
#ifndef ECHOC_REPORT_CHART_H
#define ECHOC_REPORT_CHART_H

#include <stdbool.h>
#include <stdio.h>

#include "report_axis.h"
#include "report_run.h"
#include "report_scale.h"
#include "report_words.h"

#define REPORT_CHART_WIDE   1040 /* pixels, of a chart that stands alone, */
#define REPORT_CHART_NARROW 510  /* and of two side by side */

/* The colour and the dash of the run at this place; the two together are of no other one. */
#define REPORT_COLOURS 6
#define REPORT_DASHES  5

/* A chart that is being written. */
struct report_chart {
	FILE *f;
	struct report_axis x, y;
	double x1, x2, y1, y2; /* the plot's edges: left, right, top, bottom */
};

typedef void report_chart_label(char text[REPORT_WORD_MAX], const struct report_axis *, double value);

/* Begins an SVG element of the axes that x and y are copied from, with a title and a description for who cannot see. */
void report_chart_begin(struct report_chart *, FILE *, int width, const struct report_axis *x,
                        const struct report_axis *y, const char *title, const char *description);
/* The grid, and the labels of the ticks; then what the axes are, below it and above it. */
void report_chart_grid(const struct report_chart *, report_chart_label *of_x, report_chart_label *of_y,
                       const char *x_name, const char *y_name);
void report_chart_end(const struct report_chart *);

void report_chart_label_time(char text[REPORT_WORD_MAX], const struct report_axis *, double ns);

/* A line that is drawn on, from point to point. */
struct report_pen {
	FILE *f;
	bool down;
	double x, y;
};

void report_pen_begin(struct report_pen *, FILE *, const char *class, size_t run);
/* A line to there, or, where the pen is up, a jump. What would not be seen is left out. */
void report_pen_to(struct report_pen *, double x, double y);
void report_pen_up(struct report_pen *);
void report_pen_end(struct report_pen *);

/* The charts: number is the run's place among all, which its colour follows. */
void report_chart_trips(FILE *, const struct report_scale *, const struct run *, size_t number, int width);
void report_chart_percentiles(FILE *, const struct report_scale *, const struct report_set *);
void report_chart_histogram(FILE *, const struct report_scale *, const struct run *, size_t number, int width);

#endif
