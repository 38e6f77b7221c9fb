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

/* The unit at text, in microseconds, and its length; 0 when there is none. */
static uint64_t unit_us(const char *text, size_t *len)
{
	static const struct {
		const char *name;
		uint64_t us;
	} units[] = {{"us", 1}, {"ms", 1000}, {"s", 1000000}, {"m", 60000000}, {"h", 3600000000}, {"d", 86400000000}};

	for (size_t i = 0; i < array_size(units); i++) {
		size_t n = strlen(units[i].name);
		if (strncmp(text, units[i].name, n) == 0) {
			*len = n;
			return units[i].us;
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
		if (n > NUMBER_DURATION_MAX_MS * 1000) /* as microseconds */
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

int number_parse_duration_us(const char *text, uint64_t *out_us)
{
	bool first = true;
	uint64_t sum = 0;

	if (strcmp(text, "off") == 0) {
		*out_us = 0;
		return 0;
	}
	const char *s = text;
	do {
		uint64_t thousandths, us;
		size_t len = 0;
		int err = parse_thousandths(&s, &thousandths);
		if (err)
			return err;
		uint64_t unit = unit_us(s, &len);
		if (!unit && (*s || !first)) /* only a number alone goes without a unit */
			return -EINVAL;
		if (__builtin_mul_overflow(thousandths, unit ? unit : 1000000, &us))
			return -ERANGE;
		sum += us / 1000;
		if (sum > NUMBER_DURATION_MAX_MS * 1000)
			return -ERANGE;
		s += len;
		first = false;
	} while (*s);
	if (sum == 0 && strpbrk(text, "123456789"))
		return -ERANGE; /* under a microsecond is not off */
	*out_us = sum;
	return 0;
}

int number_parse_duration_ms(const char *text, uint64_t *out_ms)
{
	uint64_t us;
	int err = number_parse_duration_us(text, &us);

	if (err)
		return err;
	if (us > 0 && us < 1000)
		return -ERANGE; /* under a millisecond is not off */
	*out_ms = us / 1000;
	return 0;
}
