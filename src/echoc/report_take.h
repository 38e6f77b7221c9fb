/* Takes the objects of a results file into the run that they belong to. */
#ifndef ECHOC_REPORT_TAKE_H
#define ECHOC_REPORT_TAKE_H

#include "report_run.h"

/* What of the object is known is taken; what is missing or of another kind than expected stays unknown. */
void report_take(struct run *, struct json_t *object);

/* To be called when no more comes: the options are gathered, and where the result is missing, its numbers are made from
 * what came. */
void report_take_end(struct run *);

#endif
