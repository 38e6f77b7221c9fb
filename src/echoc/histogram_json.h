/* A histogram as JSON: what `echoc report` draws its curves from. */
#ifndef ECHOC_HISTOGRAM_JSON_H
#define ECHOC_HISTOGRAM_JSON_H

#include "histogram.h"
#include "json.h"

/* Writes [[upper end of a bucket in ns, how many stand in it], ...], of the buckets that are not empty, in order. */
void histogram_json(struct json *, const char *key, const struct histogram *);

#endif
