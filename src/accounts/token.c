#include "token.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "clock.h"

#define RANDOM_BYTES 32

static_assert(sodium_base64_ENCODED_LEN(RANDOM_BYTES, sodium_base64_VARIANT_URLSAFE_NO_PADDING) == TOKEN_TEXT_LEN + 1,
              "32 bytes are 43 characters");
static_assert(crypto_hash_sha256_BYTES == TOKEN_DIGEST_BYTES, "SHA-256");

void token_make(struct token *t)
{
	uint8_t random[RANDOM_BYTES];

	randombytes_buf(random, sizeof(random));
	sodium_bin2base64(t->text, sizeof(t->text), random, sizeof(random), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	crypto_hash_sha256(t->digest, random, sizeof(random));
	sodium_memzero(random, sizeof(random));
}

static bool is_of_alphabet(const char *text, size_t len)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	for (size_t i = 0; i < len; i++) {
		if (!memchr(alphabet, text[i], sizeof(alphabet) - 1)) /* libsodium takes every byte above 0x7f, too */
			return false;
	}
	return true;
}

bool token_read(const void *text, size_t len, uint8_t digest[TOKEN_DIGEST_BYTES])
{
	uint8_t random[RANDOM_BYTES];
	size_t read = 0;

	if (len != TOKEN_TEXT_LEN || !is_of_alphabet(text, len))
		return false;
	bool whole = sodium_base642bin(random, sizeof(random), text, len, NULL, &read, NULL,
	                               sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0;
	if (whole) /* 43 characters that libsodium takes are 32 bytes: it refuses stray bits at the end */
		crypto_hash_sha256(digest, random, sizeof(random));
	sodium_memzero(random, sizeof(random));
	return whole;
}

void token_mark(const uint8_t digest[TOKEN_DIGEST_BYTES], char mark[TOKEN_MARK_LEN + 1])
{
	sodium_bin2hex(mark, TOKEN_MARK_LEN + 1, digest, TOKEN_MARK_LEN / 2);
}

int64_t token_clock_at(struct token_clock *c, int64_t wall_us, int64_t monotonic_us)
{
	int64_t ahead_us = wall_us - monotonic_us, most_us = atomic_load(&c->ahead_us);

	while (ahead_us > most_us && !atomic_compare_exchange_weak(&c->ahead_us, &most_us, ahead_us))
		;
	return monotonic_us + (ahead_us > most_us ? ahead_us : most_us);
}

int64_t token_clock_now(struct token_clock *c)
{
	return token_clock_at(c, clock_wall_us(), (int64_t)(clock_now_ns() / 1000));
}
