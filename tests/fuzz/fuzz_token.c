/* A token as a stranger writes it: the input is the text. */
#include "fuzz.h"

#include <sodium.h>
#include <string.h>

#include "token.h"

/* By the letter of RFC 4648, 5: 43 characters of the alphabet, of which the last has its two low bits clear. */
static bool is_token(const uint8_t *text, size_t len, uint8_t bytes[32])
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned bits = 0, count = 0;
	size_t n = 0;

	if (len != 43)
		return false;
	for (size_t i = 0; i < len; i++) {
		const char *c = text[i] ? strchr(alphabet, text[i]) : NULL;
		if (!c)
			return false;
		bits = (bits << 6 | (unsigned)(c - alphabet)) & 0xffff;
		count += 6;
		if (count >= 8)
			bytes[n++] = (uint8_t)(bits >> (count -= 8));
	}
	return n == 32 && (bits & 3) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t digest[TOKEN_DIGEST_BYTES], bytes[32], wanted[crypto_hash_sha256_BYTES];
	char mark[TOKEN_MARK_LEN + 1];

	bool is = is_token(data, len, bytes);
	CHECK(token_read(data ? data : (const uint8_t *)"", len, digest) == is);
	if (!is)
		return 0;
	crypto_hash_sha256(wanted, bytes, sizeof(bytes));
	CHECK(memcmp(digest, wanted, sizeof(wanted)) == 0);
	token_mark(digest, mark);
	CHECK(strlen(mark) == TOKEN_MARK_LEN && strspn(mark, "0123456789abcdef") == TOKEN_MARK_LEN);
	return 0;
}
