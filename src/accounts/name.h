/* Account names: 1 to 64 letters and digits of any script, marks after a letter, and . _ - + @; kept in NFC. */
#ifndef ACCOUNTS_NAME_H
#define ACCOUNTS_NAME_H

#include <stddef.h>

#include "must.h"

#define NAME_CHARS_MAX 64
#define NAME_BYTES_MAX 256 /* 64 characters of at most 4 bytes */

/*
 * Writes the name in text (len bytes, as a stranger gave it) into name, normalised to NFC (UAX #15) and NUL-ended.
 * Returns 0, -EINVAL (not UTF-8, a character that names do not have, empty, or too long, counted after NFC) or -ENOMEM.
 */
int name_normalise(const void *text, size_t len, char name[NAME_BYTES_MAX + 1]) MUST_CHECK;

#endif
