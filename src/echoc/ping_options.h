/* The options of `echoc ping`. */
#ifndef ECHOC_PING_OPTIONS_H
#define ECHOC_PING_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "option.h"

#define PING_SIZE_MIN    16 /* a probe's number, and bytes enough to see damage */
#define PING_SIZE_MAX    (64 * 1024)
#define PING_INTERVAL_MS 1000
#define PING_LATE_MS     1000
#define PING_REDIAL_MS   10000

struct ping_options {
	uint64_t interval_ms; /* between probes, at least 1 */
	uint64_t count;       /* probes; 0: until it is ended */
	uint64_t size;        /* bytes of a probe */
	uint64_t deadline_ms; /* of the whole run; 0: none */
	uint64_t late_ms;     /* an answer later than this is late, and the connection stalls */
	uint64_t redial_ms;   /* a connection that has stalled for so long is made anew; 0: never */
	bool timestamps;      /* the wall clock before each line */
};

extern const char ping_options_help[];

void ping_options_init(struct ping_options *);
/* Takes an option of ping; ends the process with status 2 and a sentence where its value is none. */
void ping_options_take(struct ping_options *, enum option_value, const char *value);
/* Looks whether the options go together, and ends the process as above where not. */
void ping_options_check(const struct ping_options *);

#endif
