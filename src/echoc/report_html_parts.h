/* The parts of a report's page, each a run of elements. */
#ifndef ECHOC_REPORT_HTML_PARTS_H
#define ECHOC_REPORT_HTML_PARTS_H

#include <stddef.h>
#include <stdio.h>

#include "report_read.h"

/* The few numbers that are looked at first, then all of them. */
void report_html_key(FILE *, const struct report_set *);
void report_html_numbers(FILE *, const struct report_set *);

/* The charts with their legends, and the hatchings that they use, which stand in the page once and before them. */
void report_html_figures(FILE *, const struct report_set *);
void report_html_patterns(FILE *);

/* A piece of the run's line, with its colour and dash. */
void report_html_chip(FILE *, size_t number);

#endif
