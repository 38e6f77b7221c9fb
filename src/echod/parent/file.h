/* Files and folders that the parent makes. */
#ifndef PARENT_FILE_H
#define PARENT_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "must.h"
#include "privileges.h"

/*
 * Makes the folder and those above it, 0700, where they are not there. Where owner has a user, which the server
 * is to become, the folder is given to it, and those above are made so that it may enter (0755). owner may be NULL.
 * Returns 0 or a negative errno.
 */
int file_make_folder(const char *path, const struct privileges *owner) MUST_CHECK;
/* Opens folder/name, making it 0700 where it is not there. Returns a descriptor or a negative errno. */
int file_open_folder(const char *folder, const char *name) MUST_CHECK;
/*
 * Writes text into the file name of an open folder (AT_FDCWD: of any path), mode 0600, by rename, so that nobody reads
 * half of it. Returns 0 or a negative errno.
 */
int file_write_by_rename(int folder, const char *name, const char *text) MUST_CHECK;
/* Whether others than its owner may write in the folder, which then is not to be relied on. Not there: false. */
bool file_is_open_to_others(const char *folder);
/* The same for len bytes of data, on the disk when it returns 0. */
int file_write_durably(int folder, const char *name, const void *data, size_t len) MUST_CHECK;
/* Writes it all. Returns 0 or a negative errno. */
int file_write_all(int fd, const void *data, size_t len) MUST_CHECK;
/*
 * Opens a log for appending, following no symbolic link but one below /dev. One that is not there is made, 0600, and
 * given to the user that the server is to become. Returns a descriptor or a negative errno.
 */
int file_open_log(const char *path, const struct privileges *) MUST_CHECK;

#endif
