/* A report as text for a terminal. */
#ifndef ECHOC_REPORT_TEXT_H
#define ECHOC_REPORT_TEXT_H

#include <stdio.h>

#include "report_read.h"

void report_text(FILE *, const struct report_set *);

#endif
