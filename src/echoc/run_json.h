/* What stands in every result that is printed as JSON: which program, where, by which clock, since when. */
#ifndef ECHOC_RUN_JSON_H
#define ECHOC_RUN_JSON_H

#include <stdint.h>

#include "json.h"

/* Writes version, host, clock and started_at (wall clock) into the object. */
void run_json(struct json *, int64_t started_us);

#endif
