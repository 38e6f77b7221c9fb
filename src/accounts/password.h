/*
 * Password hashes: Argon2id in the PHC string format, by libsodium. Each call costs the memory and time of its
 * parameters, so the event loops never make one.
 */
#ifndef ACCOUNTS_PASSWORD_H
#define ACCOUNTS_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "must.h"

#define PASSWORD_BYTES_MIN 8 /* of a new password */
#define PASSWORD_BYTES_MAX 256
#define PASSWORD_HASH_MAX  128 /* crypto_pwhash_STRBYTES: a PHC string with its NUL */

/* OWASP Password Storage Cheat Sheet: Argon2id, m = 19 MiB, t = 2, p = 1. */
#define PASSWORD_DEFAULT_KIB    19456
#define PASSWORD_DEFAULT_PASSES 2
#define PASSWORD_MIN_KIB        8 /* RFC 9106, 3.1: 8 blocks of 1 KiB a lane */
/* What a stored hash may ask for: a hostile row must not take the machine's memory. */
#define PASSWORD_MAX_KIB    (1024 * 1024)
#define PASSWORD_MAX_PASSES 10
#define PASSWORD_MAX_LANES  8

struct password_cost {
	uint32_t kib, passes;
};

enum password_match { PASSWORD_RIGHT, PASSWORD_WRONG, PASSWORD_BAD_HASH /* not a hash that we would work on */ };

/* Makes libsodium ready. Once a process, before any other call here. Returns 0 or -ENOSYS. */
int password_init(void) MUST_CHECK;

/* Whether a new account may have this password: its length, and no NUL, CR or LF, which no PASS line carries. */
bool password_acceptable(const void *secret, size_t len);

/* Hashes with a fresh salt. The cost must be within PASSWORD_MIN_ and PASSWORD_MAX_. Returns 0 or -ENOMEM. */
int password_hash(struct password_cost, const void *secret, size_t len, char hash[PASSWORD_HASH_MAX]) MUST_CHECK;

/* Compares in constant time. -ENOMEM when there was no memory to tell; else 0 with the outcome. */
int password_verify(const char *hash, const void *secret, size_t len, enum password_match *) MUST_CHECK;

/* Whether hash is weaker in memory or passes than cost; false for what is no hash of ours. */
bool password_is_weaker(const char *hash, struct password_cost cost);

/* Overwrites len bytes in a way that no compiler removes. */
void password_wipe(void *, size_t len);

#endif
