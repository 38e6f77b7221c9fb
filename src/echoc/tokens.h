/*
 * The resume tokens of this process: one family of its own, in a file of its own in $XDG_STATE_HOME/echoc/tokens, under
 * flock as long as the process lives. A file that nobody holds is an orphan: its token is taken over by the next
 * process that logs in at the same server as the same user. Where no file can be had, the token is in memory only.
 */
#ifndef ECHOC_TOKENS_H
#define ECHOC_TOKENS_H

#include <stdbool.h>

#include "address.h"
#include "token.h"
#include "wire.h"

#define TOKENS_IDENTITY_MAX ADDRESS_TEXT_MAX
#define TOKENS_FILES_MAX    64 /* processes of one user at one server that keep one; the server keeps 8 families */

struct tokens {
	bool off;      /* not wanted, or the server has none: none is asked for */
	int folder;    /* -1: none */
	int file;      /* -1: none */
	char name[32]; /* of the file */
	char identity[TOKENS_IDENTITY_MAX], user[WIRE_NAME_BYTES_MAX + 1]; /* whom it is for; empty: nobody yet */
	struct token token;
};

void tokens_init(struct tokens *, bool off);
/* Wipes; a file without a token goes, one with a token becomes an orphan. */
void tokens_fini(struct tokens *);

/*
 * From now on it is about this server, by its key or address, and this user: takes over an orphan's token, if there is
 * one. Does nothing where it was about them before.
 */
void tokens_attach(struct tokens *, const char *identity, const char *user);

/* The token to resume with, or NULL. */
const char *tokens_usable(const struct tokens *);

/*
 * Keeps a successor: it is on the disk before anyone uses it, and with that the old one is done with. Where it cannot
 * be written the old one, which the server still takes, stays.
 */
void tokens_keep(struct tokens *, const struct token *);

/* The server does not take it any more. */
void tokens_drop(struct tokens *);

#endif
