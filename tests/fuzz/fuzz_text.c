/*
 * What strangers' text becomes: the log's escape and its lines, and the terminal's escape. The first two bytes are
 * where the room ends and where the text is cut into fields.
 */
#include "fuzz.h"

#include <string.h>
#include <unistr.h>

#include "log.h"
#include "text.h"

static unsigned hex_value(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* Undoes text_escape; returns the length. A cut or unknown escape is none. */
static FUZZ_PLAIN size_t unescape(const char *text, size_t len, uint8_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		CHECK(text[i] >= 0x20 && text[i] <= 0x7e && text[i] != '"');
		if (text[i] != '\\') {
			out[n++] = (uint8_t)text[i];
			continue;
		}
		CHECK(i + 1 < len);
		if (text[i + 1] == 'x') {
			CHECK(i + 3 < len && strspn(text + i + 2, "0123456789abcdef") >= 2);
			out[n++] = (uint8_t)(hex_value(text[i + 2]) << 4 | hex_value(text[i + 3]));
			i += 3;
		} else {
			CHECK(text[i + 1] == '"' || text[i + 1] == '\\');
			out[n++] = (uint8_t)text[++i];
		}
	}
	return n;
}

/* The escape, undone, is the text, or where there was no room for more its beginning. */
static void check_escaped(const char *text, size_t escaped, const uint8_t *data, size_t len, uint8_t *room, bool whole)
{
	size_t n = unescape(text, escaped, room);

	CHECK(whole ? n == len : n <= len);
	CHECK(n == 0 || memcmp(room, data, n) == 0);
}

static void check_escape(const uint8_t *data, size_t len, size_t cap)
{
	char *all = malloc(4 * len + 1), *some = malloc(cap);
	uint8_t *room = malloc(len + 1);

	if (!all || !some || !room)
		abort();
	size_t n = text_escape(all, 4 * len + 1, data, len);
	CHECK(strlen(all) == n);
	check_escaped(all, n, data, len, room, true);
	size_t less = text_escape(some, cap, data, len);
	CHECK(less < cap && less <= n && some[less] == '\0' && memcmp(some, all, less) == 0);
	CHECK(less == n || less + 4 >= cap);
	check_escaped(some, less, data, len, room, less == n);
	free(all);
	free(some);
	free(room);
}

/* Well-formed, and nothing in it that moves the cursor or turns the line. */
static FUZZ_PLAIN void check_shown(const char *text, size_t len)
{
	unsigned c = 0;

	CHECK(!u8_check((const uint8_t *)text, len));
	for (size_t i = 0, n; i < len; i += n) {
		n = text_utf8_char(text + i, len - i, &c);
		CHECK(n > 0 && c >= 0x20 && !(c >= 0x7f && c < 0xa0) && !(c >= 0x202a && c <= 0x202e));
		CHECK(!(c >= 0x2066 && c <= 0x2069) && c != 0x200e && c != 0x200f && c != 0x61c);
	}
}

static void check_terminal(const uint8_t *data, size_t len, size_t cap)
{
	char *all = malloc(4 * len + 1), *again = malloc(4 * len + 1), *some = malloc(cap);

	if (!all || !again || !some)
		abort();
	size_t n = text_escape_utf8(all, 4 * len + 1, data, len);
	check_shown(all, n);
	CHECK(text_escape_utf8(again, 4 * len + 1, all, n) == n && memcmp(again, all, n) == 0);
	size_t less = text_escape_utf8(some, cap, data, len);
	CHECK(less < cap && less <= n && memcmp(some, all, less) == 0 && some[less] == '\0');
	check_shown(some, less);
	free(all);
	free(again);
	free(some);
}

/* Beside libunistring's reading. */
static void check_utf8(const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned c = 0;
		ucs4_t want;
		size_t n = text_utf8_char(data + i, len - i, &c);
		int used = u8_mbtoucr(&want, data + i, len - i);
		CHECK(used > 0 ? n == (size_t)used && c == want : n == 0);
	}
}

/* Passes over ` key=value` and gives back the value, without its quotes. Returns false at the line's end. */
static FUZZ_PLAIN bool next_field(const char **at, const char *end, const char **value, size_t *len)
{
	const char *s = *at;

	if (s == end)
		return false;
	CHECK(end - s >= 3 && memcmp(s, " k=", 3) == 0);
	s += 3;
	bool quoted = s < end && *s == '"';
	*value = s += quoted;
	while (s < end && *s != (quoted ? '"' : ' ')) {
		CHECK(quoted || (*s != '"' && *s != '='));
		s += quoted && *s == '\\' ? 2 : 1;
	}
	CHECK(s <= end && (!quoted || s < end));
	*len = (size_t)(s - *value);
	*at = s + quoted;
	return true;
}

/* Fields of piece bytes each into one line, as many as it takes, without a log behind it. */
static void check_line(const uint8_t *data, size_t len, size_t piece)
{
	static uint8_t room[LOG_LINE_MAX];
	static char nothing;
	struct log_line line = {.log = (struct log *)(void *)&nothing};
	const char *value, *at = line.text;
	size_t value_len;

	for (size_t i = 0; i < len; i += piece)
		log_bytes(&line, "k", data + i, len - i < piece ? len - i : piece);
	CHECK(line.len < sizeof(line.text)); /* and the LF */
	for (size_t i = 0; next_field(&at, line.text + line.len, &value, &value_len); i += piece) {
		CHECK(i < len);
		size_t n = len - i < piece ? len - i : piece;
		bool whole = 4 * n < 1000 && at < line.text + sizeof(line.text) - 1100;
		check_escaped(value, value_len, data + i, n, room, whole);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 2)
		return 0;
	size_t cap = data[0] + 1U, piece = data[1] + 1U;
	check_escape(data + 2, len - 2, cap);
	check_terminal(data + 2, len - 2, cap);
	check_utf8(data + 2, len - 2);
	check_line(data + 2, len - 2, piece);
	check_line(data + 2, len - 2, len);
	return 0;
}
