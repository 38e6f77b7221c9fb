/*
 * Resume tokens: 256 random bits, written as 43 characters of base64url (RFC 4648, 5, without padding). The store knows
 * a token by its digest only, SHA-256: what is random needs no slow hash, and the digest cannot be turned back. A token
 * is looked up by its digest, so how long that takes tells nothing about any token.
 */
#ifndef ACCOUNTS_TOKEN_H
#define ACCOUNTS_TOKEN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOKEN_TEXT_LEN     43
#define TOKEN_DIGEST_BYTES 32
#define TOKEN_MARK_LEN     8

struct token {
	char text[TOKEN_TEXT_LEN + 1]; /* the secret; whoever has it wipes it */
	uint8_t digest[TOKEN_DIGEST_BYTES];
};

/* A fresh one. password_init must have been called. */
void token_make(struct token *);

/*
 * Writes the digest of the token in text. False where text is none: another length, another character, or bits set that
 * no token's text has, so that a token is written in one way only.
 */
bool token_read(const void *text, size_t len, uint8_t digest[TOKEN_DIGEST_BYTES]);

/* What a log may tell of a token: the first 8 hexadecimal digits of its digest. */
void token_mark(const uint8_t digest[TOKEN_DIGEST_BYTES], char mark[TOKEN_MARK_LEN + 1]);

/*
 * The time that tokens go by: the wall clock, but for a clock that is set back while the process runs, behind which no
 * token lives longer: then it is the latest that the wall clock ever was, and goes on from there. Any thread.
 */
struct token_clock {
	_Atomic int64_t ahead_us; /* the most that the wall clock was ahead of the monotonic one; 0 to begin with */
};

int64_t token_clock_now(struct token_clock *);
/* The same at given readings of the two clocks, in microseconds. */
int64_t token_clock_at(struct token_clock *, int64_t wall_us, int64_t monotonic_us);

#endif
