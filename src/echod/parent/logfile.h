/* The parent's log and the file behind it, which all three processes write to. */
#ifndef PARENT_LOGFILE_H
#define PARENT_LOGFILE_H

#include "run.h"

/* Opens what --log says. Returns 0, or the exit status after having said why. */
int logfile_open(struct run *) MUST_CHECK;
/*
 * Opens the file anew, for rotation by rename, for the children, too. All or nothing: where that fails the old one is
 * written on, and the log says so. Returns 0 or a negative errno.
 */
int logfile_reopen(struct run *);
/* What a person is told to look into. */
const char *logfile_name(const struct run *);

#endif
