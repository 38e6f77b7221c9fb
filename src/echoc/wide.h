/*
 * Wide characters, which libedit wants, to and from the bytes of a terminal. The bytes are UTF-8; one that is not
 * becomes U+DC80 to U+DCFF (as Python's surrogateescape, PEP 383), and itself again on the way back, so that nothing is
 * lost.
 */
#ifndef ECHOC_WIDE_H
#define ECHOC_WIDE_H

#include <stddef.h>
#include <wchar.h>

#include "must.h"

/*
 * The character at the beginning of len (> 0) bytes. Returns how many bytes it has, or 0 where it may go on behind
 * them.
 */
size_t wide_next(const void *bytes, size_t len, wchar_t *c);

/* All of len bytes, ended by a NUL: the caller's to free. NULL: no memory. */
wchar_t *wide_from_bytes(const char *bytes, size_t len) MUST_CHECK;

/* And back: *bytes_len bytes and a NUL, the caller's to free. NULL: no memory. */
char *wide_to_bytes(const wchar_t *text, size_t len, size_t *bytes_len) MUST_CHECK;

#endif
