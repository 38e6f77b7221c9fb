/* The page of a report: one file that needs nothing else, with tables and charts. */
#ifndef ECHOC_REPORT_HTML_H
#define ECHOC_REPORT_HTML_H

#include <stdio.h>

#include "report_read.h"

/* The set has a run at least. Also well-formed XML. */
void report_html(FILE *, const struct report_set *);

#endif
