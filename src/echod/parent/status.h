/* The counters as one JSON document; schema `echod.status/1`. */
#ifndef PARENT_STATUS_H
#define PARENT_STATUS_H

#include "document.h"
#include "run.h"

/* The caller frees its text; NULL when memory is out. */
struct document status_document(const struct run *);

#endif
