#include "text.h"

#include <stdint.h>
#include <string.h>

static size_t escape_byte(char out[4], uint8_t byte)
{
	static const char hex[] = "0123456789abcdef";

	if (byte == '"' || byte == '\\') {
		out[0] = '\\';
		out[1] = (char)byte;
		return 2;
	}
	if (byte >= 0x20 && byte <= 0x7e) {
		out[0] = (char)byte;
		return 1;
	}
	out[0] = '\\';
	out[1] = 'x';
	out[2] = hex[byte >> 4];
	out[3] = hex[byte & 15];
	return 4;
}

size_t text_escape(char *dst, size_t cap, const void *src, size_t len)
{
	const uint8_t *s = src;
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char out[4];
		size_t out_len = escape_byte(out, s[i]);
		if (n + out_len >= cap)
			break;
		memcpy(dst + n, out, out_len);
		n += out_len;
	}
	dst[n] = '\0';
	return n;
}

size_t text_utf8_char(const void *text, size_t len, unsigned *code_point)
{
	static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
	const uint8_t *s = text;
	size_t n;
	unsigned c;

	if (len == 0)
		return 0;
	if (s[0] < 0x80) {
		*code_point = s[0];
		return 1;
	}
	if ((s[0] & 0xe0) == 0xc0) {
		n = 2;
		c = s[0] & 0x1f;
	} else if ((s[0] & 0xf0) == 0xe0) {
		n = 3;
		c = s[0] & 0x0f;
	} else if ((s[0] & 0xf8) == 0xf0) {
		n = 4;
		c = s[0] & 0x07;
	} else {
		return 0;
	}
	if (len < n)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*code_point = c;
	return n;
}

/* Whether a terminal shows it and does nothing else. The ranges are Unicode's bidirectional controls (UAX #9). */
static bool is_shown(unsigned c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		return false;
	return !(c == 0x61c || (c >= 0x200e && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	         (c >= 0x2066 && c <= 0x2069));
}

size_t text_escape_utf8(char *dst, size_t cap, const void *src, size_t len)
{
	const uint8_t *s = src;
	size_t n = 0;

	for (size_t i = 0; i < len;) {
		char out[4];
		unsigned c = 0;
		size_t used = text_utf8_char(s + i, len - i, &c), out_len;
		if (used > 1 && is_shown(c)) {
			memcpy(out, s + i, used);
			out_len = used;
		} else {
			used = 1;
			out_len = escape_byte(out, s[i]);
			if (s[i] == '"' || s[i] == '\\') { /* nothing is quoted here */
				out[0] = (char)s[i];
				out_len = 1;
			}
		}
		if (n + out_len >= cap)
			break;
		memcpy(dst + n, out, out_len);
		n += out_len;
		i += used;
	}
	dst[n] = '\0';
	return n;
}

bool text_copy(char *dst, size_t cap, const char *src)
{
	size_t len = strlen(src), n = len < cap ? len : cap - 1;

	memcpy(dst, src, n);
	dst[n] = '\0';
	return n == len;
}
