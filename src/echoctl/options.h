/* What echoctl was told on its command line. */
#ifndef ECHOCTL_OPTIONS_H
#define ECHOCTL_OPTIONS_H

#include <stdbool.h>

#include "password.h"

struct options {
	bool json;
	const char *state, *accounts, *password_file; /* as given; NULL where not */
	struct password_cost cost;
	int words;
	char **word; /* what is left: the command and its names */
};

/*
 * Reads the command line, options before, between or after the words. Returns true; or false with *status, when there
 * is nothing left to do: --help and --version were answered, or the line is wrong and that was reported.
 */
bool options_parse(struct options *, int argc, char **argv, int *status);

#endif
