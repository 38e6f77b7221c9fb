/*
 * The documents of a file, one after the other: each is a line, or what stands from a line that is just `{` to one that
 * is just `}`, as jq and other programs print it.
 */
#ifndef ECHOC_REPORT_LINES_H
#define ECHOC_REPORT_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "must.h"

#define REPORT_DOCUMENT_MAX ((size_t)8 * 1024 * 1024) /* the fullest histogram takes a tenth of it */

enum report_lines_result {
	REPORT_LINES_ONE,
	REPORT_LINES_CUT, /* the last one, and its end is missing */
	REPORT_LINES_END,
	REPORT_LINES_TOO_LONG, /* no more can be read; so too after REPORT_LINES_FAILED */
	REPORT_LINES_FAILED,   /* error tells */
};

struct report_lines {
	int fd;
	char *data;
	size_t at, len; /* what was read and not handed out yet: at <= len <= REPORT_DOCUMENT_MAX */
	bool ended;
	uint64_t line; /* the number of the line that the last document began in, from 1 */
	uint64_t next; /* that of the line to come */
	int error;     /* a negative errno of reading; 0: none */
};

/* file as given: `-` is standard input. Returns 0 or a negative errno; then there is nothing to close. */
int report_lines_open(struct report_lines *, const char *file) MUST_CHECK;
void report_lines_close(struct report_lines *);
/* The next document, which is good until the next call. Empty lines are none. */
enum report_lines_result report_lines_next(struct report_lines *, const char **text, size_t *len) MUST_CHECK;

#endif
