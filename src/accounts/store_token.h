/* For store.c alone, within its transactions. */
#ifndef ACCOUNTS_STORE_TOKEN_H
#define ACCOUNTS_STORE_TOKEN_H

#include "store.h"

/* Begins a family of the account with this token. Returns SQLite's result. */
int store_token_begin_family(struct store *, const char *name, const struct store_token *) MUST_CHECK;

#endif
