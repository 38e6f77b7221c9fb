/*
 * What logins and failures change in accounts, gathered here and written at most once a second, after the replies: so a
 * known name cannot be told by the time of a write, and a crash loses a second of stamps at most. The main thread's.
 */
#ifndef KEEPER_STAMPS_H
#define KEEPER_STAMPS_H

#include <stddef.h>
#include <stdint.h>

#include "store.h"

#define STAMPS_MAX 4096 /* accounts a second; beyond it stamps are dropped, never logins */

struct stamps {
	size_t count;
	uint64_t dropped;
	struct account_stamp stamp[STAMPS_MAX];
};

void stamps_login(struct stamps *, const char *name, const char *address, int64_t when_us);
void stamps_failure(struct stamps *, const char *name);
/* What is not written yet about name, or NULL. */
const struct account_stamp *stamps_find(const struct stamps *, const char *name);
/* Brings account up to date with what is not written yet. */
void stamps_apply(const struct stamps *, struct account *);
/* Puts a batch that could not be written back, as older than all that is here. */
void stamps_return(struct stamps *, const struct account_stamp *batch, size_t count);

#endif
