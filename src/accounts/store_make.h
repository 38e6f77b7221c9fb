/* Making the accounts' file where there is none: whole, or not at all. Only store.c includes this. */
#ifndef ACCOUNTS_STORE_MAKE_H
#define ACCOUNTS_STORE_MAKE_H

#include "store.h"

/* Makes the folders above path (0700), as mkdir -p. Writes into path, and restores it. Returns 0 or a negative errno.
 */
int store_make_folders(char *path) MUST_CHECK;
/*
 * Makes an empty store at the absolute path, and the folders above it (0700), so that a crash or a full disk leaves the
 * whole file or none, and of several at once one wins. *created tells whether it was this call. On STORE_UNAVAILABLE
 * why holds a sentence.
 */
enum store_result store_make(const char *path, bool *created, char why[STORE_WHY_MAX]) MUST_CHECK;

#endif
