/*
 * A load's result and progress as JSON, schema echoc.load/1: an object a line, units in the keys, null for what there
 * is not. A key keeps its meaning within a schema's number.
 */
#ifndef ECHOC_LOAD_JSON_H
#define ECHOC_LOAD_JSON_H

#include <stdio.h>

#include "load_report.h"
#include "load_result.h"

void load_json_result(FILE *, const struct load_result *);
void load_json_progress(FILE *, const struct load_progress *);

#endif
