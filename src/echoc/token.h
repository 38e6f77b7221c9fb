/*
 * A resume token as a value: as the server says it, `230-TOKEN <43 characters> <expiry>`, and as it stands in a file of
 * echoc's:
 *
 *     TOKEN EXPIRY
 *     server IDENTITY
 *     user NAME
 *
 * The first line's length never changes, so that a successor can be written over it.
 */
#ifndef ECHOC_TOKEN_H
#define ECHOC_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "must.h"

#define TOKEN_LEN      43   /* 32 bytes in base64url */
#define TOKEN_FILE_MAX 1024 /* bytes of a file: an address, a name, and the words */

struct token {
	char text[TOKEN_LEN + 1]; /* empty: none */
	int64_t expires_s;        /* since 1970 */
};

/* Wipes it. */
void token_forget(struct token *);

/* Whether there is one that is good at now_s. */
bool token_is_good(const struct token *, int64_t now_s);

/*
 * Takes `TOKEN EXPIRY`, of len bytes: the expiry is RFC 3339 in UTC, ends in Z, and has perhaps a fraction. Returns
 * whether it was one.
 */
bool token_parse(struct token *, const char *text, size_t len);

/* Takes a file's text. Returns whether it is a whole one for this server and user. */
bool token_parse_file(struct token *, const char *text, size_t len, const char *identity, const char *user);

/* Writes a file's text. Returns its length, or -EINVAL where server or user cannot stand in a line. */
int token_format_file(char text[TOKEN_FILE_MAX], const struct token *, const char *identity,
                      const char *user) MUST_CHECK;

#endif
