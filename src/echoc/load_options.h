/* The options of `echoc load`. */
#ifndef ECHOC_LOAD_OPTIONS_H
#define ECHOC_LOAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "option.h"

#define LOAD_CONNECTIONS_MAX 100000
#define LOAD_SIZE_MAX        (1024 * 1024)

struct load_options {
	uint64_t connections, threads;
	uint64_t rate;      /* messages a second in all; 0: closed loop */
	uint64_t in_flight; /* messages a connection, in closed loop; 0: not given */
	uint64_t size_min, size_max;
	uint64_t seed;     /* of random sizes */
	uint64_t messages; /* a connection, which is then made anew; 0: no limit */
	uint64_t ramp_ms, warm_up_ms, duration_ms;
};

extern const char load_options_help[];

void load_options_init(struct load_options *);
/* Takes an option of the load; ends the process with status 2 and a sentence where its value is none. */
void load_options_take(struct load_options *, enum option_value, const char *value);
/* Looks whether the options go together, ends the process as above where not, and fills in what was left out. */
void load_options_check(struct load_options *);

#endif
