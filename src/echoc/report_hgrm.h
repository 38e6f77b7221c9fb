/* HdrHistogram's percentile distribution, as its plotter takes it (https://hdrhistogram.github.io/HdrHistogram/). */
#ifndef ECHOC_REPORT_HGRM_H
#define ECHOC_REPORT_HGRM_H

#include <stdio.h>

#include "report_run.h"

/*
 * The times of the run in milliseconds, five steps to each halving of what is left to 100 %. Six digits behind the
 * point where HdrHistogram has three, for a round trip may take microseconds.
 */
void report_hgrm(FILE *, const struct run *);

#endif
