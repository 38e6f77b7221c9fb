/* Account names: whatever is accepted is in NFC, within bounds, its own normal form, and one name however composed. */
#include "fuzz.h"

#include <errno.h>
#include <string.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "name.h"

static void check_same_from(uninorm_t form, const char *name)
{
	char again[NAME_BYTES_MAX + 1];
	size_t len;
	uint8_t *other = u8_normalize(form, (const uint8_t *)name, strlen(name), NULL, &len);

	CHECK(other);
	CHECK(name_normalise(other, len, again) == 0 && strcmp(again, name) == 0);
	free(other);
}

/* The canonical form of what was given, and not of something that only looks alike. */
static void check_canonical(const char *name, const uint8_t *data, size_t len)
{
	size_t nfc_len;
	uint8_t *nfc = u8_normalize(UNINORM_NFC, data, len, NULL, &nfc_len);

	CHECK(nfc && nfc_len == strlen(name) && memcmp(nfc, name, nfc_len) == 0);
	free(nfc);
}

static void check_characters(const char *name, size_t len)
{
	ucs4_t c;

	for (size_t i = 0; i < len;) {
		int used = u8_mbtoucr(&c, (const uint8_t *)name + i, len - i);
		CHECK(used > 0);
		CHECK(c > 0x20 && c != 0x7f && !strchr(" \"\\=/:'", c < 0x80 ? (int)c : 'a'));
		CHECK(!uc_is_property_white_space(c) && !uc_is_property_bidi_control(c));
		CHECK(!uc_is_property_default_ignorable_code_point(c));
		i += (size_t)used;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char name[NAME_BYTES_MAX + 1];
	int err = name_normalise(data, len, name);

	if (err) {
		CHECK(err == -EINVAL);
		return 0;
	}
	size_t n = strlen(name);
	CHECK(n > 0 && n <= NAME_BYTES_MAX);
	CHECK(!u8_check((const uint8_t *)name, n));
	CHECK(u8_mbsnlen((const uint8_t *)name, n) <= NAME_CHARS_MAX);
	CHECK(!u8_check(data, len));
	check_canonical(name, data, len);
	check_characters(name, n);
	check_same_from(UNINORM_NFC, name);
	check_same_from(UNINORM_NFD, name);
	return 0;
}
