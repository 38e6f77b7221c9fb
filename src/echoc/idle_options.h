/* The options of `echoc idle`. */
#ifndef ECHOC_IDLE_OPTIONS_H
#define ECHOC_IDLE_OPTIONS_H

#include <stdint.h>

#include "option.h"

struct idle_options {
	uint64_t min_ms, max_ms;
	uint64_t connections;   /* side by side */
	uint64_t resolution_ms; /* how near the answer is to be */
};

extern const char idle_options_help[];

void idle_options_init(struct idle_options *);
/* Takes an option of idle; ends the process with status 2 and a sentence where its value is none. */
void idle_options_take(struct idle_options *, enum option_value, const char *value);
/* Looks whether the options go together, and ends the process as above where not. */
void idle_options_check(const struct idle_options *);

#endif
