/* The numbers that a report shows of a run, one table for the page, the text and the JSON. */
#ifndef ECHOC_REPORT_NUMBERS_H
#define ECHOC_REPORT_NUMBERS_H

#include <stddef.h>

#include "report_read.h"
#include "report_run.h"

enum report_unit {
	REPORT_COUNT,
	REPORT_NS,
	REPORT_US,
	REPORT_SECONDS,
	REPORT_PER_SECOND,
	REPORT_BYTES,
	REPORT_BYTES_PER_SECOND,
};

struct report_row {
	const char *key;     /* in the report's JSON, with its unit */
	const char *heading; /* of the rows from here on; NULL: as before. To be translated, as is label */
	const char *label;
	const char *ping,
	    *load; /* where it stands in a result of these; NULL: nowhere. `*` is the times that are drawn */
	enum report_unit unit;
	bool open_only; /* of a load in open loop */
};

extern const struct report_row report_rows[];
extern const size_t report_row_count;

/* NAN: unknown. */
double report_number(const struct run *, const struct report_row *);
/* Whether a run of the set knows it. */
bool report_row_is_known(const struct report_set *, const struct report_row *);

/* What the times of the run are, as a translated heading. */
const char *report_times_name(const struct run *);

#endif
