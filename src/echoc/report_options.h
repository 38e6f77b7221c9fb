/* The options of `echoc report`. */
#ifndef ECHOC_REPORT_OPTIONS_H
#define ECHOC_REPORT_OPTIONS_H

#include "option.h"

enum report_format {
	REPORT_UNTOLD, /* HTML, but where that would go to a terminal, text */
	REPORT_HTML,
	REPORT_TEXT,
	REPORT_HGRM, /* HdrHistogram's percentile format */
};

struct report_options {
	enum report_format format;
	const char *output; /* NULL: standard output */
	char **files;       /* ends in NULL; at least one */
	int file_count;
};

extern const char report_options_help[];

void report_options_init(struct report_options *);
/* Takes an option of report; ends the process with status 2 and a sentence where two of them exclude each other. */
void report_options_take(struct report_options *, enum option_value, const char *value);
/* Ends the process as above where there is no file, or more than --hgrm takes. */
void report_options_check(const struct report_options *);

#endif
