/* A line from a terminal. */
#ifndef ECHOC_LINE_H
#define ECHOC_LINE_H

#include <signal.h>
#include <stddef.h>

#include "must.h"

/*
 * Reads a line of at most cap - 1 bytes, byte by byte, so that what was typed ahead is left alone. While it waits the
 * signals in mask alone are blocked (NULL: as they are). The line ends in NUL, without its LF. Returns 0; -ENODATA at
 * the end of input; -E2BIG for a longer line, which is read to its end; -EINTR after a signal; or another negative
 * errno.
 */
int line_read(int fd, char *line, size_t cap, const sigset_t *mask) MUST_CHECK;

#endif
