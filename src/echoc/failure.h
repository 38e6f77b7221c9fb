/* Failures as JSON objects, for every mode that speaks JSON: what stands on standard error stands there too. */
#ifndef ECHOC_FAILURE_H
#define ECHOC_FAILURE_H

#include <stdio.h>

#include "options.h"
#include "phase.h"
#include "status.h"

/* What went wrong while the server was reached, for failure_json; none of it where that is not what went wrong. */
struct failure_reach {
	enum phase phase;
	double after_s; /* how long that phase took */
};

/*
 * Writes {"schema", "type": "error", "error": {"kind", "phase", "after_s", "detail"}, "status"}. detail is the
 * sentence, whose full stop, if it has one, is left out; reach may be NULL.
 */
void failure_json(FILE *, const char *schema, int status, const struct failure_reach *reach, const char *detail);

/* Says the sentence on standard error and, where the options ask for JSON, as an object on standard output. */
void failure_say(const struct options *, enum status, const char *sentence);

#endif
