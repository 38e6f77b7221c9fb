/* A password on its way from a person or a file. */
#ifndef ECHOCTL_SECRET_H
#define ECHOCTL_SECRET_H

#include <stddef.h>

#include "must.h"
#include "options.h"

struct secret {
	char bytes[PASSWORD_BYTES_MAX + 3]; /* room to see that a line with its end is too long */
	size_t len;
};

/*
 * Reads the new password of the account name: from --password-file, or from standard input's first line, or typed twice
 * on the terminal without echo. Returns REPORT_DONE, or another status after having reported. The caller wipes it in
 * either case.
 */
int secret_read(const struct options *, const char *name, struct secret *) MUST_CHECK;

#endif
