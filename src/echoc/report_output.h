/* Where a report goes, whole or not at all. */
#ifndef ECHOC_REPORT_OUTPUT_H
#define ECHOC_REPORT_OUTPUT_H

#include <stddef.h>

#include "must.h"

/* Writes to standard output. Returns 0 or a negative errno. */
int report_output_print(const char *data, size_t len) MUST_CHECK;

/*
 * Puts data into the file of that name: a file beside it that takes its place when it is whole, so that a failure
 * leaves the old one. What is no regular file (a pipe, /dev/null) is written to. Returns 0 or a negative errno.
 */
int report_output_file(const char *name, const char *data, size_t len) MUST_CHECK;

#endif
