/* Text that came from strangers, made fit to show. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Writes len bytes of src into dst so that only 0x20 to 0x7e are left: every other byte as \xHH, and a quote or a
 * backslash behind a backslash. Always ends in NUL; what does not fit into cap (> 0) is left out, never cut within an
 * escape. Returns the length written.
 */
size_t text_escape(char *dst, size_t cap, const void *src, size_t len);

/*
 * The same for a terminal that shows UTF-8: well-formed UTF-8 stays, but for controls (C0, C1) and for the format
 * characters that change a line's direction. Quotes and backslashes stay as they are.
 */
size_t text_escape_utf8(char *dst, size_t cap, const void *src, size_t len);

/*
 * Length in bytes of the well-formed UTF-8 character at s (of at most len bytes) and its code point; 0 when it is none
 * (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF).
 */
size_t text_utf8_char(const void *s, size_t len, unsigned *code_point);

/* Copies the NUL-ended src, cut to cap - 1 bytes. Returns whether all of it fitted. */
bool text_copy(char *dst, size_t cap, const char *src);

#endif
