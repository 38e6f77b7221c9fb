#include "answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#define DEPTH_MAX 16

struct reader {
	char *at, *end;
	FILE *out;
};

/* A label before a value: a key with its colon, or the dash of an array's item. */
struct label {
	const char *text;
	size_t len;
	const char *tail;
};

static bool read_value(struct reader *r, unsigned depth, const struct label *label);

static void show(FILE *out, const char *text, size_t len)
{
	char shown[512];

	if (!out)
		return;
	for (size_t used; len > 0; text += used, len -= used) {
		unsigned c;
		used = text_utf8_char(text, len, &c);
		if (used == 0)
			used = 1;
		text_escape_utf8(shown, sizeof(shown), text, used);
		fputs(shown, out);
	}
}

static void show_label(struct reader *r, unsigned depth, const struct label *label)
{
	if (!r->out || !label)
		return;
	fprintf(r->out, "%*s", (int)(2 * (depth - 1)), "");
	show(r->out, label->text, label->len);
	fputs(label->tail, r->out);
}

static void show_line(struct reader *r, unsigned depth, const struct label *label, const char *text, size_t len)
{
	show_label(r, depth, label);
	if (label && r->out)
		fputc(' ', r->out);
	show(r->out, text, len);
	if (r->out)
		fputc('\n', r->out);
}

static void skip_space(struct reader *r)
{
	while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
		r->at++;
}

static bool take(struct reader *r, char c)
{
	skip_space(r);
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(struct reader *r, unsigned *out)
{
	*out = 0;
	for (int i = 0; i < 4; i++, r->at++) {
		int digit = r->at < r->end ? hex_digit(*r->at) : -1;
		if (digit < 0)
			return false;
		*out = *out << 4 | (unsigned)digit;
	}
	return true;
}

static char *put_utf8(char *to, unsigned c)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	}
	return to;
}

/* What stands behind \u: a character, or two surrogates that make one. A lone surrogate becomes U+FFFD. */
static bool read_unicode(struct reader *r, char **to)
{
	unsigned c, low;

	if (!read_hex(r, &c))
		return false;
	if (c >= 0xd800 && c < 0xdc00 && r->end - r->at >= 6 && r->at[0] == '\\' && r->at[1] == 'u') {
		r->at += 2;
		if (!read_hex(r, &low))
			return false;
		c = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00) : 0xfffd;
	}
	*to = put_utf8(*to, c >= 0xd800 && c < 0xe000 ? 0xfffd : c);
	return true;
}

static bool read_escape(struct reader *r, char **to)
{
	static const char from[] = "\"\\/bfnrt", becomes[] = "\"\\/\b\f\n\r\t";

	if (r->at == r->end)
		return false;
	char c = *r->at++;
	if (c == 'u')
		return read_unicode(r, to);
	const char *found = c ? strchr(from, c) : NULL;
	if (!found)
		return false;
	*(*to)++ = becomes[found - from];
	return true;
}

/* Reads a string behind its first quote, in place: no escape is shorter than what it stands for. */
static bool read_string(struct reader *r, const char **text, size_t *len)
{
	char *to = r->at;

	*text = to;
	while (r->at < r->end && *r->at != '"') {
		if ((unsigned char)*r->at < 0x20)
			return false;
		if (*r->at != '\\') {
			*to++ = *r->at++;
			continue;
		}
		r->at++;
		if (!read_escape(r, &to))
			return false;
	}
	*len = (size_t)(to - *text);
	return take(r, '"');
}

static size_t digits(struct reader *r)
{
	const char *from = r->at;

	while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
		r->at++;
	return (size_t)(r->at - from);
}

static bool read_number(struct reader *r)
{
	if (r->at < r->end && *r->at == '-')
		r->at++;
	bool zero = r->at < r->end && *r->at == '0';
	size_t whole = digits(r);
	if (whole == 0 || (zero && whole > 1))
		return false;
	if (r->at < r->end && *r->at == '.') {
		r->at++;
		if (digits(r) == 0)
			return false;
	}
	if (r->at < r->end && (*r->at | 0x20) == 'e') {
		r->at++;
		if (r->at < r->end && (*r->at == '+' || *r->at == '-'))
			r->at++;
		return digits(r) > 0;
	}
	return true;
}

static bool read_word(struct reader *r)
{
	static const char *const words[] = {"true", "false", "null"};

	for (size_t i = 0; i < array_size(words); i++) {
		size_t len = strlen(words[i]);
		if ((size_t)(r->end - r->at) >= len && memcmp(r->at, words[i], len) == 0) {
			r->at += len;
			return true;
		}
	}
	return read_number(r);
}

static bool read_member(struct reader *r, unsigned depth, char close)
{
	struct label label = {.text = "-", .len = 1, .tail = ""};

	if (close == '}') {
		if (!take(r, '"') || !read_string(r, &label.text, &label.len) || !take(r, ':'))
			return false;
		label.tail = ":";
	}
	return read_value(r, depth + 1, &label);
}

/* An object or an array behind its opening. */
static bool read_members(struct reader *r, unsigned depth, const struct label *label, char close)
{
	if (depth == DEPTH_MAX)
		return false;
	if (take(r, close)) {
		show_line(r, depth, label, "none", 4);
		return true;
	}
	if (label) {
		show_label(r, depth, label);
		if (r->out)
			fputc('\n', r->out);
	}
	do {
		if (!read_member(r, depth, close))
			return false;
	} while (take(r, ','));
	return take(r, close);
}

static bool read_value(struct reader *r, unsigned depth, const struct label *label)
{
	const char *text;
	size_t len;

	if (take(r, '{'))
		return read_members(r, depth, label, '}');
	if (take(r, '['))
		return read_members(r, depth, label, ']');
	if (take(r, '"')) {
		if (!read_string(r, &text, &len))
			return false;
	} else {
		text = r->at;
		if (!read_word(r))
			return false;
		len = (size_t)(r->at - text);
	}
	show_line(r, depth, label, text, len);
	return true;
}

int answer_show(FILE *out, char *document, size_t len)
{
	struct reader r = {.at = document, .end = document + len, .out = out};

	if (!read_value(&r, 0, NULL))
		return -EINVAL;
	skip_space(&r);
	return r.at == r.end ? 0 : -EINVAL;
}

/* A value that ends where the reader is then; *len is 0 for an object or an array. */
static bool read_plain(struct reader *r, const char **text, size_t *len)
{
	if (take(r, '"'))
		return read_string(r, text, len);
	*text = r->at;
	bool good = read_value(r, 0, NULL);
	*len = **text == '{' || **text == '[' ? 0 : (size_t)(r->at - *text);
	return good;
}

static bool find_member(struct reader *r, const char *key, const char **text, size_t *len)
{
	const char *name;
	size_t name_len;

	if (!take(r, '{'))
		return false;
	do {
		if (!take(r, '"') || !read_string(r, &name, &name_len) || !take(r, ':'))
			return false;
		skip_space(r);
		if (!read_plain(r, text, len))
			return false;
		if (name_len == strlen(key) && memcmp(name, key, name_len) == 0)
			return true;
	} while (take(r, ','));
	return false;
}

bool answer_member(const char *document, size_t len, const char *key, char *text, size_t cap)
{
	char *copy = malloc(len + 1);
	const char *found;
	size_t found_len;

	if (!copy)
		return false;
	struct reader r = {.at = copy, .end = copy + len};
	memcpy(copy, document, len);
	copy[len] = '\0';
	bool is_there = find_member(&r, key, &found, &found_len);
	if (is_there) {
		found_len = found_len < cap ? found_len : cap - 1;
		memcpy(text, found, found_len);
		text[found_len] = '\0';
	}
	free(copy);
	return is_there;
}
