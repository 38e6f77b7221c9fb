/* The options of `echoc load`. */
#ifndef ECHOC_LOAD_OPTIONS_H
#define ECHOC_LOAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define LOAD_CONNECTIONS_MAX 100000
#define LOAD_SIZE_MAX        (1024 * 1024)

enum load_option {
	LOAD_OPTION_CONNECTIONS = 512,
	LOAD_OPTION_RATE,
	LOAD_OPTION_IN_FLIGHT,
	LOAD_OPTION_SIZE,
	LOAD_OPTION_SEED,
	LOAD_OPTION_THREADS,
	LOAD_OPTION_RAMP,
	LOAD_OPTION_WARM_UP,
	LOAD_OPTION_DURATION,
	LOAD_OPTION_MESSAGES,
	LOAD_OPTION_JSON,
	LOAD_OPTION_JSON_STREAM,
};

struct load_options {
	const char *given; /* the name of the last of these options that was seen; NULL for none */
	uint64_t connections, threads;
	uint64_t rate;      /* messages a second in all; 0: closed loop */
	uint64_t in_flight; /* messages a connection, in closed loop; 0: not given */
	uint64_t size_min, size_max;
	uint64_t seed;     /* of random sizes */
	uint64_t messages; /* a connection, which is then made anew; 0: no limit */
	uint64_t ramp_ms, warm_up_ms, duration_ms;
	bool json, json_stream;
};

extern const char load_options_help[];

void load_options_init(struct load_options *);
/* Takes an option; ends the process with status 2 and a sentence where its value is none. */
void load_options_take(struct load_options *, enum load_option, const char *name, const char *value);
/* Looks whether the options go together, ends the process as above where not, and fills in what was left out. */
void load_options_check(struct load_options *);

#endif
