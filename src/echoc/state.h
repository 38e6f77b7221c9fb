/*
 * The folder in which echoc keeps what it has learned: $XDG_STATE_HOME/echoc, that is ~/.local/state/echoc. It and what
 * is in it belong to the user alone; no link is followed there.
 */
#ifndef ECHOC_STATE_H
#define ECHOC_STATE_H

#include <stdbool.h>
#include <stddef.h>

#include "must.h"

/*
 * Opens the folder, and with `makes` creates it first, 0700. Returns a descriptor, the caller's to close, or a negative
 * errno: -ENOENT where there is none, -EPERM where it belongs to somebody else. *path is its name, for a person, or
 * NULL; the caller frees it in any case.
 */
int state_open(bool makes, char **path) MUST_CHECK;

/* The same for a folder within another. */
int state_open_folder(int parent, const char *name, bool makes) MUST_CHECK;

/*
 * Opens a regular file of this user's in folder, with flags besides; what is created is 0600. Returns a descriptor or a
 * negative errno.
 */
int state_open_file(int folder, const char *name, int flags) MUST_CHECK;

/* Reads fd from its beginning, at most cap bytes. Returns the number, or a negative errno, -EFBIG where there are more.
 */
long state_read(int fd, char *buf, size_t cap) MUST_CHECK;

#endif
