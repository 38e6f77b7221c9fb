/*
 * The accounts. One struct store belongs to one thread; any number of them, in any number of processes, may be open on
 * the same accounts at once. Every change is one transaction, durable when the call returns 0 (WAL, synchronous=FULL).
 * Calls may wait up to STORE_BUSY_MS for another process, so the event loops never make one.
 */
#ifndef ACCOUNTS_STORE_H
#define ACCOUNTS_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "must.h"
#include "name.h"
#include "password.h"

#define STORE_BUSY_MS     5000
#define STORE_ADDRESS_MAX 80
#define STORE_WHY_MAX     512

struct store;

struct account {
	char name[NAME_BYTES_MAX + 1];
	char hash[PASSWORD_HASH_MAX];
	int64_t created_us;                   /* since the epoch */
	int64_t last_login_us;                /* 0: never */
	char last_address[STORE_ADDRESS_MAX]; /* empty: never */
	int64_t logins, failures;             /* failures: since the last login */
	bool disabled;
};

/* What logins changed in an account, gathered over a time and written at once. */
struct account_stamp {
	char name[NAME_BYTES_MAX + 1];
	int64_t logins;        /* to add */
	int64_t last_login_us; /* 0: none */
	char last_address[STORE_ADDRESS_MAX];
	int64_t failures;      /* to add; where a login came after failures, they become what came after it */
	bool failures_restart; /* a login was among them */
};

enum store_result {
	STORE_OK,
	STORE_ABSENT,      /* no such account */
	STORE_EXISTS,      /* it is there already */
	STORE_BUSY,        /* another process kept it locked for STORE_BUSY_MS */
	STORE_UNAVAILABLE, /* corrupt, read-only, full, gone, or no memory: store_why tells */
};

enum store_create {
	STORE_MUST_EXIST,
	STORE_MAY_CREATE,
	STORE_WAS_CHECKED, /* must exist, and this process has opened it before: the long check is left out */
};

/*
 * Opens the accounts at where: `sqlite:PATH` or a bare path. An absent file is made, whole or not at all, where
 * STORE_MAY_CREATE says so, and *created tells; never is a file written over. Checks that the file is ours, not newer
 * than this program, writable and sound (quick_check). On failure returns STORE_BUSY or STORE_UNAVAILABLE and writes
 * into why one sentence that says what was tried, on what, and what to do.
 */
enum store_result store_open(struct store **out, const char *where, enum store_create, bool *created,
                             char why[STORE_WHY_MAX]) MUST_CHECK;
void store_close(struct store *);
/* One sentence about the last STORE_BUSY or STORE_UNAVAILABLE. */
const char *store_why(const struct store *);

enum store_result store_find(struct store *, const char *name, struct account *out) MUST_CHECK;
/* Insert if absent. */
enum store_result store_add(struct store *, const char *name, const char *hash, int64_t created_us) MUST_CHECK;
/* Sets a new hash; where old_hash is not NULL only if it is still that one (STORE_ABSENT otherwise). */
enum store_result store_set_hash(struct store *, const char *name, const char *hash, const char *old_hash) MUST_CHECK;
enum store_result store_set_disabled(struct store *, const char *name, bool disabled) MUST_CHECK;
enum store_result store_remove(struct store *, const char *name) MUST_CHECK;
/* All stamps in one transaction; accounts that have gone meanwhile are passed over. */
enum store_result store_stamp(struct store *, const struct account_stamp *, size_t count) MUST_CHECK;
/* Calls each for every account, by name, in one read transaction; a non-zero result ends it. */
enum store_result store_each(struct store *, int (*each)(void *arg, const struct account *), void *arg) MUST_CHECK;

#endif
