/* Numbers and durations, beside a second reading of the same text that shares no line with the first. */
#include "fuzz.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "number.h"

static void check_number(const char *text, uint64_t least, uint64_t most)
{
	uint64_t n = 77;
	char *end;
	int err = number_parse(text, least, most, &n);

	if (!*text || text[strspn(text, "0123456789")]) {
		CHECK(err == -EINVAL && n == 77);
		return;
	}
	errno = 0;
	unsigned long long want = strtoull(text, &end, 10);
	if (errno == ERANGE || want < least || want > most)
		CHECK(err == -ERANGE && n == 77);
	else
		CHECK(err == 0 && n == want);
}

/* The exact length of a well-formed duration in nanoseconds, part by part rounded down to a millisecond; -1 if none. */
static FUZZ_PLAIN long double read_duration(const char *text)
{
	static const char *const names[] = {"ms", "s", "m", "h", "d"};
	static const long double ms[] = {1, 1000, 60000, 3600000, 86400000};
	long double sum = 0;

	for (bool first = true; *text || first; first = false) {
		long double whole = 0, part = 0, place = 100;
		size_t digits = strspn(text, "0123456789"), unit = 5;
		if (digits == 0)
			return -1;
		for (; digits > 0; digits--)
			whole = whole * 10 + (*text++ - '0');
		if (*text == '.') {
			digits = strspn(++text, "0123456789");
			if (digits == 0)
				return -1;
			for (; digits > 0; digits--, place /= 10)
				part += place >= 1 ? place * (*text - '0') : 0, text++;
		}
		for (size_t i = 5; i-- > 0;) {
			if (strncmp(text, names[i], strlen(names[i])) == 0)
				unit = i;
		}
		if (unit == 5 && (*text || !first))
			return -1;
		long double thousandths = (whole * 1000 + part) * (unit == 5 ? 1000 : ms[unit]);
		sum += thousandths < 1e18L ? (long double)((uint64_t)thousandths / 1000) : thousandths / 1000;
		text += unit == 5 ? 0 : strlen(names[unit]);
	}
	return sum;
}

static void check_duration(const char *text)
{
	uint64_t ms = 77, again;
	char written[32];
	int err = number_parse_duration_ms(text, &ms);

	if (strcmp(text, "off") == 0) {
		CHECK(err == 0 && ms == 0);
		return;
	}
	CHECK(err == 0 || ((err == -EINVAL || err == -ERANGE) && ms == 77));
	long double want = read_duration(text);
	bool too_small = want == 0 && strpbrk(text, "123456789");
	CHECK((err == 0) == (want >= 0 && want <= NUMBER_DURATION_MAX_MS && !too_small));
	if (err)
		return;
	CHECK(ms == (uint64_t)want);
	snprintf(written, sizeof(written), "%llums", (unsigned long long)ms);
	CHECK(number_parse_duration_ms(written, &again) == 0 && again == ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = fuzz_string(data, len);

	check_number(text, 0, UINT64_MAX);
	check_number(text, 1, 65535);
	check_duration(text);
	free(text);
	return 0;
}
