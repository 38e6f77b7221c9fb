/* echoc's command line. */
#ifndef ECHOC_OPTIONS_H
#define ECHOC_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "idle_options.h"
#include "load_options.h"
#include "ping_options.h"
#include "report_options.h"

enum mode { MODE_TALK, MODE_PING, MODE_LOAD, MODE_IDLE, MODE_CHECK, MODE_REPORT };

struct options {
	enum mode mode;
	const char *address;              /* as typed; NULL when none was given; not of MODE_REPORT */
	const char *user, *password_file; /* NULL when not given */
	const char *pin;                  /* the server's, well-formed; NULL when not given */
	bool no_register, no_token, reconnect, allow_cleartext, quiet;
	bool json, json_stream; /* at most one of them */
	bool trace;             /* show the dialogue */
	bool plain;             /* no picture on a terminal */
	uint64_t chunk;         /* bytes of a segment that is sent in a talk; 0: as they come */
	uint64_t retry_ms, wait_ms;
	struct ping_options ping;
	struct load_options load;
	struct idle_options idle;
	struct report_options report;
};

/*
 * Takes argv apart. Ends the process after --help and --version, and with status 2 when it cannot be understood; then
 * where --json or --json-stream was given there is an object on standard output too (failure.h).
 */
void options_parse(struct options *, int argc, char **argv);

/* The schema of what the mode prints as JSON, like `echoc.ping/1`. */
const char *options_schema(enum mode);

#endif
