/* Reads results files into runs, and says what of them cannot be read. */
#ifndef ECHOC_REPORT_READ_H
#define ECHOC_REPORT_READ_H

#include <stddef.h>

#include "report_notes.h"
#include "report_run.h"
#include "status.h"

struct report_set {
	struct run *runs[REPORT_RUNS_MAX];
	size_t count;
	struct report_notes errors; /* of files that could not be read, or not to their end */
};

/*
 * Adds the runs of a file (its name stays the caller's, and as it is until report_read_fini). STATUS_LOST: it
 * could not be read to its end, or holds no run: that is said on standard error. What else is wrong is in the runs'
 * notes.
 */
enum status report_read(struct report_set *, const char *file) MUST_CHECK;
/* Says the notes on standard error. */
void report_read_say(const struct report_set *);
void report_read_fini(struct report_set *);

#endif
