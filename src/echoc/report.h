/* `echoc report`: what ping and load have printed as JSON, for people to look at. */
#ifndef ECHOC_REPORT_H
#define ECHOC_REPORT_H

#include "must.h"
#include "options.h"
#include "status.h"

/*
 * Reads the files of options->report and writes the page, the text or the percentiles. What is cut off or of a newer
 * schema is shown as far as it can be read, and the rest is said. Status 1 where a file cannot be read or the output
 * not written.
 */
enum status report_run(const struct options *) MUST_CHECK;

#endif
