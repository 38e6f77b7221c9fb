/*
 * Stored hashes that strangers wrote. Argon2 stands behind --wrap, so that what a hash asks for is looked at and only
 * what costs little is done: the first byte is the secret's length, then the secret, then the hash.
 */
#include "fuzz.h"

#include <sodium.h>
#include <string.h>

#include "password.h"

#define CHEAP_BYTES  (32 * 1024)
#define CHEAP_PASSES 2

int __real_crypto_pwhash_argon2id(unsigned char *, unsigned long long, const char *, unsigned long long,
                                  const unsigned char *, unsigned long long, size_t, int);
int __wrap_crypto_pwhash_argon2id(unsigned char *, unsigned long long, const char *, unsigned long long,
                                  const unsigned char *, unsigned long long, size_t, int);
int __real_crypto_pwhash_argon2id_str_verify(const char *, const char *, unsigned long long);
int __wrap_crypto_pwhash_argon2id_str_verify(const char *, const char *, unsigned long long);
void *__real_malloc(size_t);
void *__wrap_malloc(size_t);

static unsigned worked; /* calls that would compute a hash */
static bool measuring;
static size_t tried_for; /* the largest block asked for while measuring */

int __wrap_crypto_pwhash_argon2id(unsigned char *out, unsigned long long out_len, const char *secret,
                                  unsigned long long len, const unsigned char *salt, unsigned long long passes,
                                  size_t bytes, int algorithm)
{
	worked++;
	CHECK(bytes >= PASSWORD_MIN_KIB * 1024 && bytes <= (size_t)PASSWORD_MAX_KIB * 1024);
	CHECK(passes >= 1 && passes <= PASSWORD_MAX_PASSES);
	CHECK(out_len >= 16 && out_len <= PASSWORD_HASH_MAX);
	if (bytes <= CHEAP_BYTES && passes <= CHEAP_PASSES)
		return __real_crypto_pwhash_argon2id(out, out_len, secret, len, salt, passes, bytes, algorithm);
	memset(out, 0, (size_t)out_len);
	return 0;
}

/* The memory has been tried for, so its size is known. */
int __wrap_crypto_pwhash_argon2id_str_verify(const char *hash, const char *secret, unsigned long long len)
{
	worked++;
	CHECK(strlen(hash) < PASSWORD_HASH_MAX);
	CHECK(tried_for >= PASSWORD_MIN_KIB * 1024 && tried_for <= (size_t)PASSWORD_MAX_KIB * 1024);
	measuring = false;
	if (tried_for <= CHEAP_BYTES && (strstr(hash, ",t=1,") || strstr(hash, ",t=2,")))
		return __real_crypto_pwhash_argon2id_str_verify(hash, secret, len);
	return -1;
}

void *__wrap_malloc(size_t size)
{
	if (!measuring)
		return __real_malloc(size);
	if (size > tried_for)
		tried_for = size;
	return __real_malloc(size > CHEAP_BYTES ? 1 : size);
}

static enum password_match verify(const char *hash, const void *secret, size_t len)
{
	enum password_match match = PASSWORD_RIGHT;

	worked = 0;
	tried_for = 0;
	measuring = true;
	int err = password_verify(hash, secret, len, &match);
	measuring = false;
	CHECK(err == 0);
	CHECK(match == PASSWORD_BAD_HASH ? worked == 0 : worked == 1);
	return match;
}

static void check_accepted(const char *hash)
{
	const struct password_cost most = {.kib = PASSWORD_MAX_KIB, .passes = PASSWORD_MAX_PASSES};
	const struct password_cost least = {.kib = PASSWORD_MIN_KIB, .passes = 1};

	CHECK(strncmp(hash, "$argon2id$v=19$m=", 17) == 0);
	CHECK(strspn(hash, "$,=+/0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == strlen(hash));
	CHECK(strlen(hash) < PASSWORD_HASH_MAX);
	CHECK(!password_is_weaker(hash, least));
	(void)password_is_weaker(hash, most);
}

/* What is made at the least cost is right for its secret and wrong for a longer one; made once, for it costs. */
static void check_own(void)
{
	static bool done;
	char hash[PASSWORD_HASH_MAX];

	if (done)
		return;
	done = true;
	CHECK(password_init() == 0);
	const struct password_cost least = {.kib = PASSWORD_MIN_KIB, .passes = 1};
	CHECK(password_hash(least, "correct horse", 13, hash) == 0);
	CHECK(verify(hash, "correct horse", 13) == PASSWORD_RIGHT);
	CHECK(verify(hash, "correct horse", 12) == PASSWORD_WRONG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	check_own();
	if (len == 0)
		return 0;
	size_t secret_len = data[0] < len ? data[0] : len - 1;
	const uint8_t *secret = data + 1;
	char *hash = fuzz_string(secret + secret_len, len - 1 - secret_len);
	if (verify(hash, secret, secret_len) != PASSWORD_BAD_HASH)
		check_accepted(hash);
	else
		CHECK(!password_is_weaker(hash, (struct password_cost){PASSWORD_MAX_KIB, PASSWORD_MAX_PASSES}));
	for (size_t i = 0; i < secret_len && password_acceptable(secret, secret_len); i++)
		CHECK(secret[i] != '\0' && secret[i] != '\n' && secret[i] != '\r');
	free(hash);
	return 0;
}
