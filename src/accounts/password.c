#include "password.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"

#define SALT_BYTES_MIN 8  /* RFC 9106, 3.1 */
#define TAG_BYTES_MIN  16 /* what libsodium computes at least */

static_assert(PASSWORD_HASH_MAX == crypto_pwhash_argon2id_STRBYTES, "libsodium writes that much");
static_assert(PASSWORD_MIN_KIB * 1024 == crypto_pwhash_argon2id_MEMLIMIT_MIN, "libsodium's own limit");

/* A PHC string taken apart: $argon2id$v=19$m=KIB,t=PASSES,p=LANES$SALT$TAG. */
struct phc {
	struct password_cost cost;
	uint32_t lanes;
	uint8_t salt[PASSWORD_HASH_MAX], tag[PASSWORD_HASH_MAX];
	size_t salt_len, tag_len;
};

/* Takes a number from least to most that stands before end, and leaves *at behind end. */
static bool take_number(const char **at, char end, uint64_t least, uint64_t most, uint32_t *out)
{
	char text[12];
	const char *stop = strchr(*at, end);
	uint64_t n;

	if (!stop || (size_t)(stop - *at) >= sizeof(text))
		return false;
	memcpy(text, *at, (size_t)(stop - *at));
	text[stop - *at] = '\0';
	if (number_parse(text, least, most, &n))
		return false;
	*out = (uint32_t)n;
	*at = stop + 1;
	return true;
}

static bool take_text(const char **at, const char *text)
{
	size_t len = strlen(text);

	if (strncmp(*at, text, len) != 0)
		return false;
	*at += len;
	return true;
}

/* Takes base64 up to the end of the string, or to end, which is passed over. */
static bool take_base64(const char **at, char end, uint8_t out[PASSWORD_HASH_MAX], size_t *out_len)
{
	const char *stop = strchr(*at, end), *read = NULL;

	if (!stop)
		return false;
	for (const char *c = *at; c < stop; c++) {
		if (*c & 0x80) /* libsodium reads every such byte as a slash */
			return false;
	}
	if (sodium_base642bin(out, PASSWORD_HASH_MAX, *at, (size_t)(stop - *at), NULL, out_len, &read,
	                      sodium_base64_VARIANT_ORIGINAL_NO_PADDING) != 0)
		return false;
	*at = end ? stop + 1 : stop;
	return read == stop;
}

static bool parse(const char *hash, struct phc *phc)
{
	const char *at = hash;

	if (strnlen(hash, PASSWORD_HASH_MAX) == PASSWORD_HASH_MAX)
		return false;
	return take_text(&at, "$argon2id$v=19$m=") &&
	       take_number(&at, ',', PASSWORD_MIN_KIB, PASSWORD_MAX_KIB, &phc->cost.kib) && take_text(&at, "t=") &&
	       take_number(&at, ',', 1, PASSWORD_MAX_PASSES, &phc->cost.passes) && take_text(&at, "p=") &&
	       take_number(&at, '$', 1, PASSWORD_MAX_LANES, &phc->lanes) &&
	       phc->cost.kib >= 8 * phc->lanes && /* RFC 9106, 3.1 */
	       take_base64(&at, '$', phc->salt, &phc->salt_len) && phc->salt_len >= SALT_BYTES_MIN &&
	       take_base64(&at, '\0', phc->tag, &phc->tag_len) && phc->tag_len >= TAG_BYTES_MIN;
}

int password_init(void)
{
	/* unreached: it fails only where the machine has no source of randomness */
	return sodium_init() < 0 ? -ENOSYS : 0;
}

bool password_acceptable(const void *secret, size_t len)
{
	const char *s = secret;

	if (len < PASSWORD_BYTES_MIN || len > PASSWORD_BYTES_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '\0' || s[i] == '\r' || s[i] == '\n') /* no PASS line could ever carry it */
			return false;
	}
	return true;
}

int password_hash(struct password_cost cost, const void *secret, size_t len, char hash[PASSWORD_HASH_MAX])
{
	assert(cost.kib >= PASSWORD_MIN_KIB && cost.kib <= PASSWORD_MAX_KIB);
	assert(cost.passes >= 1 && cost.passes <= PASSWORD_MAX_PASSES);
	/* unreached: want of memory for a hash, which tests/full/test_faults.py makes */
	return crypto_pwhash_argon2id_str(hash, secret, len, cost.passes, (size_t)cost.kib * 1024) == 0 ? 0 : -ENOMEM;
}

/* Ours: crypto_pwhash_str_verify tells a wrong password and a lack of memory alike, so it is done by hand. */
static int verify_ours(const struct phc *phc, const void *secret, size_t len, enum password_match *match)
{
	uint8_t tag[PASSWORD_HASH_MAX];

	if (crypto_pwhash_argon2id(tag, phc->tag_len, secret, len, phc->salt, phc->cost.passes,
	                           (size_t)phc->cost.kib * 1024, crypto_pwhash_argon2id_ALG_ARGON2ID13) != 0)
		return -ENOMEM;
	*match = sodium_memcmp(tag, phc->tag, phc->tag_len) == 0 ? PASSWORD_RIGHT : PASSWORD_WRONG;
	sodium_memzero(tag, sizeof(tag));
	return 0;
}

/* Brought from elsewhere: libsodium's raw call knows neither lanes nor other salts. The memory is tried for beforehand.
 */
static int verify_foreign(const struct phc *phc, const char *hash, const void *secret, size_t len,
                          enum password_match *match)
{
	void *volatile memory = malloc((size_t)phc->cost.kib * 1024); /* volatile: or the pair is optimised away */

	if (!memory)
		return -ENOMEM;
	free(memory);
	*match = crypto_pwhash_argon2id_str_verify(hash, secret, len) == 0 ? PASSWORD_RIGHT : PASSWORD_WRONG;
	return 0;
}

int password_verify(const char *hash, const void *secret, size_t len, enum password_match *match)
{
	struct phc phc;

	if (!parse(hash, &phc)) {
		*match = PASSWORD_BAD_HASH;
		return 0;
	}
	if (phc.lanes == 1 && phc.salt_len == crypto_pwhash_argon2id_SALTBYTES)
		return verify_ours(&phc, secret, len, match);
	return verify_foreign(&phc, hash, secret, len, match);
}

bool password_is_weaker(const char *hash, struct password_cost cost)
{
	struct phc phc;

	return parse(hash, &phc) && (phc.cost.kib < cost.kib || phc.cost.passes < cost.passes);
}

void password_wipe(void *secret, size_t len)
{
	sodium_memzero(secret, len);
}
