#include "number.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static int is_digit(char c)
{
	return c >= '0' && c <= '9';
}

int number_parse(const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
	bool too_large = false;
	uint64_t n = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (!is_digit(*text))
			return -EINVAL;
		too_large |= __builtin_mul_overflow(n, 10, &n);
		too_large |= __builtin_add_overflow(n, (uint64_t)(*text - '0'), &n);
	}
	if (too_large || n < least || n > most)
		return -ERANGE;
	*out = n;
	return 0;
}

/* The unit at text, in milliseconds, and its length; 0 when there is none. */
static uint64_t unit_ms(const char *text, size_t *len)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};

	for (size_t i = 0; i < array_size(units); i++) {
		size_t n = strlen(units[i].name);
		if (strncmp(text, units[i].name, n) == 0) {
			*len = n;
			return units[i].ms;
		}
	}
	return 0;
}

/* Digits, with three of a fraction at most that count: thousandths. */
static int parse_thousandths(const char **text, uint64_t *out)
{
	const char *s = *text;
	uint64_t n = 0;
	unsigned places = 0;

	if (!is_digit(*s))
		return -EINVAL;
	for (; is_digit(*s); s++) {
		n = n * 10 + (uint64_t)(*s - '0');
		if (n > NUMBER_DURATION_MAX_MS)
			return -ERANGE;
	}
	if (*s == '.') {
		if (!is_digit(*++s))
			return -EINVAL;
		for (; is_digit(*s); s++) {
			if (places < 3) {
				n = n * 10 + (uint64_t)(*s - '0');
				places++;
			}
		}
	}
	for (; places < 3; places++)
		n *= 10;
	*text = s;
	*out = n;
	return 0;
}

int number_parse_duration_ms(const char *text, uint64_t *out_ms)
{
	bool first = true;
	uint64_t sum = 0;

	if (strcmp(text, "off") == 0) {
		*out_ms = 0;
		return 0;
	}
	const char *s = text;
	do {
		uint64_t thousandths, ms;
		size_t len = 0;
		int err = parse_thousandths(&s, &thousandths);
		if (err)
			return err;
		uint64_t unit = unit_ms(s, &len);
		if (!unit && (*s || !first)) /* only a number alone goes without a unit */
			return -EINVAL;
		if (__builtin_mul_overflow(thousandths, unit ? unit : 1000, &ms))
			return -ERANGE;
		sum += ms / 1000;
		if (sum > NUMBER_DURATION_MAX_MS)
			return -ERANGE;
		s += len;
		first = false;
	} while (*s);
	if (sum == 0 && strpbrk(text, "123456789"))
		return -ERANGE; /* under a millisecond is not off */
	*out_ms = sum;
	return 0;
}
