/* How echoctl answers: documents on standard output, errors as one sentence or, with --json, as one object. */
#ifndef ECHOCTL_REPORT_H
#define ECHOCTL_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "must.h"

enum report_status {
	REPORT_DONE = 0,
	REPORT_FAILED = 1,
	REPORT_USAGE = 2,
	REPORT_UNREACHABLE = 3, /* no server, or no accounts */
	REPORT_ACCOUNT = 4,     /* no such account, or it exists */
};

/* Says a sentence about a failure. Returns status, for the caller to return. */
int report_fail(bool json, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The same for a wrong command line, with a hint at --help. Returns REPORT_USAGE. */
int report_usage(bool json, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Writes a whole answer on standard output. Returns REPORT_DONE, or REPORT_FAILED after having said why. */
int report_print(const char *text, size_t len);
/* Says how many tokens of an account were ended. Returns report_print's status. */
int report_revoked(bool json, const char *name, int64_t count);

#endif
