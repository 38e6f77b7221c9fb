/* What `echoc idle` tells a person: before, meanwhile, and at the end. */
#ifndef ECHOC_IDLE_REPORT_H
#define ECHOC_IDLE_REPORT_H

#include <stdio.h>

#include "idle_result.h"

#define IDLE_BAR_MAX 256

/* Sentences on standard error: how long it will take at most, and what cannot be known. */
void idle_report_start(const struct idle_result *);
/* And one about a connection that has told something. */
void idle_report_trial(const struct idle_finding *);
/* A line for a terminal, without its end, of at most 78 columns: of total_ms passed_ms have gone. */
void idle_report_bar(const struct idle_search *, uint64_t passed_ms, uint64_t total_ms, char line[IDLE_BAR_MAX]);
void idle_report_result(FILE *, const struct idle_result *);

#endif
