#include "wide.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "text.h"

#define STRAY 0xdc00 /* and the byte: one that stands in no character */

/* Whether more bytes may make a character of these. */
static bool may_go_on(const uint8_t *s, size_t len)
{
	size_t wants = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;

	if (s[0] < 0xc2 || s[0] > 0xf4 || len >= wants)
		return false;
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return false;
	}
	return true;
}

size_t wide_next(const void *bytes, size_t len, wchar_t *c)
{
	const uint8_t *s = bytes;
	unsigned code_point;
	size_t n = text_utf8_char(s, len, &code_point);

	if (n > 0) {
		*c = (wchar_t)code_point;
		return n;
	}
	*c = STRAY + s[0];
	return may_go_on(s, len) ? 0 : 1;
}

wchar_t *wide_from_bytes(const char *bytes, size_t len)
{
	wchar_t *text = calloc(len + 1, sizeof(*text));
	size_t count = 0;

	if (!text)
		return NULL;
	while (len > 0) {
		size_t n = wide_next(bytes, len, &text[count++]);
		if (n == 0)
			n = 1; /* nothing comes behind it: a stray byte */
		bytes += n;
		len -= n;
	}
	return text;
}

/* Returns how many bytes c has. */
static size_t put(char *to, wchar_t c)
{
	unsigned code = (unsigned)c;

	if (code < 0x80 || (code >= STRAY + 0x80 && code <= STRAY + 0xff)) {
		to[0] = (char)code;
		return 1;
	}
	size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	for (size_t i = n - 1; i > 0; i--) {
		to[i] = (char)(0x80 | (code & 0x3f));
		code >>= 6;
	}
	to[0] = (char)(code | (0xf00U >> n & 0xf0)); /* RFC 3629: as many ones as bytes */
	return n;
}

char *wide_to_bytes(const wchar_t *text, size_t len, size_t *bytes_len)
{
	char *bytes = malloc(len * 4 + 1);

	if (!bytes)
		return NULL;
	*bytes_len = 0;
	for (size_t i = 0; i < len; i++)
		*bytes_len += put(bytes + *bytes_len, text[i]);
	bytes[*bytes_len] = '\0';
	return bytes;
}
