/* A load's result and progress as text for a person. */
#ifndef ECHOC_LOAD_REPORT_H
#define ECHOC_LOAD_REPORT_H

#include <stddef.h>
#include <stdio.h>

#include "load_result.h"

/* What has gone on since the last of these. */
struct load_progress {
	const char *phase; /* "warm_up", "window" or "drain" */
	double elapsed_s;  /* since the traffic began */
	double total_s;    /* that it will take */
	double interval_s;
	uint64_t messages, bytes_sent, bytes_received; /* in the interval */
	uint64_t errors, damaged;                      /* since the start */
	struct load_times times; /* of the interval: response time in open loop, else service time */
};

void load_report_result(FILE *, const struct load_result *);

#define LOAD_LINE_MAX 256

/* The line that a terminal shows, without an end. */
void load_report_progress(const struct load_progress *, char line[LOAD_LINE_MAX]);

#endif
