/* A report as one JSON document (schema echoc.report/1): what the page and the text show. */
#ifndef ECHOC_REPORT_JSON_H
#define ECHOC_REPORT_JSON_H

#include <stdio.h>

#include "report_read.h"
#include "status.h"

void report_json(FILE *, const struct report_set *, enum status);

#endif
