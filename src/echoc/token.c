#include "token.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "clock.h"

#define EXPIRY_LEN 20 /* 2026-01-02T03:04:05Z */
#define SECOND_US  1000000

void token_forget(struct token *t)
{
	explicit_bzero(t, sizeof(*t));
}

bool token_is_good(const struct token *t, int64_t now_s)
{
	return *t->text && now_s < t->expires_s;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* base64url, RFC 4648 */
static bool is_token(const char *text)
{
	for (size_t i = 0; i < TOKEN_LEN; i++) {
		char c = text[i];
		if (!(is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_'))
			return false;
	}
	return true;
}

/* A number of so many digits at text, or -1. */
static int digits(const char *text, int count)
{
	int n = 0;

	for (int i = 0; i < count; i++) {
		if (!is_digit(text[i]))
			return -1;
		n = n * 10 + (text[i] - '0');
	}
	return n;
}

/* What stands behind the seconds: a fraction, perhaps, and Z. */
static bool is_end(const char *text, size_t len)
{
	size_t i = 0;

	if (len > 1 && text[0] == '.') {
		for (i = 1; i < len && is_digit(text[i]); i++)
			;
		if (i == 1)
			return false;
	}
	return i + 1 == len && text[i] == 'Z';
}

static bool parse_expiry(const char *text, size_t len, int64_t *out)
{
	static const char shape[] = "0000-00-00T00:00:00";

	if (len < EXPIRY_LEN || !is_end(text + EXPIRY_LEN - 1, len - EXPIRY_LEN + 1))
		return false;
	for (size_t i = 0; i < sizeof(shape) - 1; i++) {
		if (shape[i] == '0' ? !is_digit(text[i]) : text[i] != shape[i])
			return false;
	}
	struct tm given = {.tm_year = digits(text, 4) - 1900,
	                   .tm_mon = digits(text + 5, 2) - 1,
	                   .tm_mday = digits(text + 8, 2),
	                   .tm_hour = digits(text + 11, 2),
	                   .tm_min = digits(text + 14, 2),
	                   .tm_sec = digits(text + 17, 2)};
	struct tm real = given;
	*out = timegm(&real);
	/* What is no date has become another one; a leap second too, and no token ends in one. */
	return real.tm_mon == given.tm_mon && real.tm_mday == given.tm_mday && real.tm_hour == given.tm_hour &&
	       real.tm_min == given.tm_min && real.tm_sec == given.tm_sec;
}

bool token_parse(struct token *t, const char *text, size_t len)
{
	int64_t expires_s;

	if (len < TOKEN_LEN + 1 || !is_token(text) || text[TOKEN_LEN] != ' ' ||
	    !parse_expiry(text + TOKEN_LEN + 1, len - TOKEN_LEN - 1, &expires_s))
		return false;
	memcpy(t->text, text, TOKEN_LEN);
	t->text[TOKEN_LEN] = '\0';
	t->expires_s = expires_s;
	return true;
}

/* Whether text goes on with the line `word value`; then takes it off. */
static bool take_line(const char **text, size_t *len, const char *word, const char *value)
{
	size_t word_len = strlen(word), value_len = strlen(value), whole = word_len + 1 + value_len + 1;

	if (*len < whole || memcmp(*text, word, word_len) != 0 || (*text)[word_len] != ' ' ||
	    memcmp(*text + word_len + 1, value, value_len) != 0 || (*text)[whole - 1] != '\n')
		return false;
	*text += whole;
	*len -= whole;
	return true;
}

bool token_parse_file(struct token *t, const char *text, size_t len, const char *identity, const char *user)
{
	const char *lf = len > 0 ? memchr(text, '\n', len) : NULL;
	size_t first = lf ? (size_t)(lf - text) : 0, rest = len - first - 1;

	if (!lf)
		return false;
	const char *more = lf + 1;
	return take_line(&more, &rest, "server", identity) && take_line(&more, &rest, "user", user) && rest == 0 &&
	       token_parse(t, text, first);
}

int token_format_file(char text[TOKEN_FILE_MAX], const struct token *t, const char *identity, const char *user)
{
	char expiry[CLOCK_TEXT_MAX];

	if (strchr(identity, '\n') || strchr(user, '\n'))
		return -EINVAL;
	if (clock_format_s(expiry, t->expires_s * SECOND_US) != EXPIRY_LEN)
		return -EINVAL;
	int n = snprintf(text, TOKEN_FILE_MAX, "%s %s\nserver %s\nuser %s\n", t->text, expiry, identity, user);
	return n > 0 && n < TOKEN_FILE_MAX ? n : -EINVAL;
}
