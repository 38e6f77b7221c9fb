#include "name.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

/* NFC joins at most four code points of at most four bytes into one: no longer text can become a name. */
#define RAW_BYTES_MAX (NAME_CHARS_MAX * 4 * 4)

enum kind { LETTER, MARK, OTHER, FOREIGN };

static enum kind kind_of(ucs4_t c)
{
	/* Fillers, joiners and variation selectors are letters and marks that nobody sees: two names would look alike.
	 */
	if (uc_is_property_default_ignorable_code_point(c))
		return FOREIGN;
	if (uc_is_general_category(c, UC_CATEGORY_L))
		return LETTER;
	if (uc_is_general_category(c, UC_CATEGORY_M))
		return MARK;
	if (uc_is_general_category(c, UC_CATEGORY_Nd))
		return OTHER;
	return c != 0 && c < 0x80 && strchr("._-+@", (int)c) ? OTHER : FOREIGN;
}

static bool is_name(const uint8_t *s, size_t len)
{
	enum kind before = OTHER;
	size_t chars = 0;

	if (len == 0 || len > NAME_BYTES_MAX)
		return false;
	for (size_t i = 0; i < len; chars++) {
		ucs4_t c;
		int used = u8_mbtoucr(&c, s + i, len - i);
		if (used <= 0)
			return false;
		enum kind kind = kind_of(c);
		if (kind == FOREIGN || (kind == MARK && before == OTHER))
			return false;
		if (kind != MARK)
			before = kind; /* so that a mark after a letter's mark still counts as after the letter */
		i += (size_t)used;
	}
	return chars <= NAME_CHARS_MAX;
}

int name_normalise(const void *text, size_t len, char name[NAME_BYTES_MAX + 1])
{
	uint8_t buf[NAME_BYTES_MAX];
	size_t nfc_len = sizeof(buf);
	int err = 0;

	if (len == 0 || len > RAW_BYTES_MAX || u8_check(text, len))
		return -EINVAL;
	uint8_t *nfc = u8_normalize(UNINORM_NFC, text, len, buf, &nfc_len);
	if (!nfc)
		return errno == ENOMEM ? -ENOMEM : -EINVAL;
	if (is_name(nfc, nfc_len)) {
		memcpy(name, nfc, nfc_len);
		name[nfc_len] = '\0';
	} else {
		err = -EINVAL;
	}
	if (nfc != buf)
		free(nfc);
	return err;
}
