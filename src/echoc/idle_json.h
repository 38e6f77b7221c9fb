/* What `echoc idle` prints as JSON: the schema echoc.idle/1. */
#ifndef ECHOC_IDLE_JSON_H
#define ECHOC_IDLE_JSON_H

#include <stdio.h>

#include "idle_result.h"

/* The first object of a stream: what is known before, and how long it will take. */
void idle_json_start(FILE *, const struct idle_result *);
/* One for each connection that has told something. */
void idle_json_trial(FILE *, const struct idle_finding *, int64_t wall_us);
void idle_json_result(FILE *, const struct idle_result *);

#endif
