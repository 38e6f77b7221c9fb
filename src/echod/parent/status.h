/* The counters as one JSON document; schema `echod.status/1`. */
#ifndef PARENT_STATUS_H
#define PARENT_STATUS_H

#include <stddef.h>

#include "run.h"

/* Returns the document, with a line's end, and its length; the caller frees it. NULL when memory is out. */
char *status_json(const struct run *, size_t *len);

#endif
