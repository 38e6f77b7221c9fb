/* Accounts written out, for a person or in JSON. Never their hashes. */
#ifndef ECHOCTL_SHOW_H
#define ECHOCTL_SHOW_H

#include <stdbool.h>
#include <stdio.h>

#include "store.h"

/* Write to out one account as lines or an object, all as a table or an array. The result is the store's. */
enum store_result show_account(struct store *, const char *name, bool json, FILE *out) MUST_CHECK;
enum store_result show_all(struct store *, bool json, FILE *out) MUST_CHECK;

#endif
