/* echoc's command line. */
#ifndef ECHOC_OPTIONS_H
#define ECHOC_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "load_options.h"

struct options {
	const char *address;              /* as typed; NULL when none was given */
	const char *user, *password_file; /* NULL when not given */
	const char *pin;                  /* the server's, well-formed; NULL when not given */
	bool no_register, no_token, reconnect, allow_cleartext, quiet;
	uint64_t retry_ms, wait_ms;
	bool is_load; /* the mode: load, or else talk */
	struct load_options load;
};

/* Takes argv apart. Ends the process after --help and --version, and with status 2 when it cannot be understood. */
void options_parse(struct options *, int argc, char **argv);

#endif
