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
#include "token.h"

#define STORE_BUSY_MS     5000
#define STORE_ADDRESS_MAX 80
#define STORE_WHY_MAX     1024

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
	STORE_ABSENT,      /* no such account, or no such token */
	STORE_EXISTS,      /* it is there already */
	STORE_TOO_MANY,    /* store_register: there are accounts_max of them */
	STORE_SPENT,       /* store_resume: the token has been followed by another */
	STORE_BUSY,        /* another process kept it locked for STORE_BUSY_MS */
	STORE_UNAVAILABLE, /* corrupt, read-only, full, gone, or no memory: store_why tells */
};

/* A token to be issued: it is good from now_us (token_clock_now) for life_us. */
struct store_token {
	const uint8_t *digest; /* TOKEN_DIGEST_BYTES */
	int64_t now_us, life_us;
};

/* An account to be made. */
struct store_new {
	const char *name, *hash;
	int64_t created_us;
	int64_t accounts_max;            /* so many there may be with it, whoever else adds some; 0: no limit */
	const struct store_token *token; /* the first of a family, or NULL */
};

enum store_create {
	STORE_MUST_EXIST,
	STORE_MAY_CREATE,
	STORE_WAS_CHECKED, /* must exist, and this process has opened it before: the long check is left out */
};

/*
 * For a process that will be shut into the folder of its accounts (sandbox): makes it where STORE_MAY_CREATE says so
 * and it is not there, and does what needs files elsewhere. Returns the folder, all links followed, which the caller
 * frees; NULL where there is none, and store_open will tell why.
 */
char *store_prepare(const char *where, enum store_create) MUST_CHECK;

enum store_modes {
	STORE_PRIVATE,  /* to its owner, or not there yet */
	STORE_READABLE, /* by others: they may try passwords against the hashes */
	STORE_WRITABLE, /* by others, the file or its folder: they may put an account of their own there */
};

/* What the permissions let others than the owner do. Where that is anything, why is a sentence about it. */
enum store_modes store_modes(const char *where, char why[STORE_WHY_MAX]);

/*
 * Opens the accounts at where: `sqlite:PATH` or a bare path. An absent file is made, whole or not at all, where
 * STORE_MAY_CREATE says so, and *created tells; never is a file written over. Checks that the file is ours, not newer
 * than this program, writable and sound (quick_check). On failure returns STORE_BUSY or STORE_UNAVAILABLE and writes
 * into why one sentence that says what was tried, on what, and what to do.
 */
enum store_result store_open(struct store **out, const char *where, enum store_create, bool *created,
                             char why[STORE_WHY_MAX]) MUST_CHECK;
void store_close(struct store *);
/* Whether opening has brought the file from an older version to this one's since the last time this was asked. */
bool store_was_upgraded(struct store *);
/* One sentence about the last STORE_BUSY or STORE_UNAVAILABLE. */
const char *store_why(const struct store *);

enum store_result store_find(struct store *, const char *name, struct account *out) MUST_CHECK;
/* Insert if absent. */
enum store_result store_register(struct store *, const struct store_new *) MUST_CHECK;
/* The same without limit and token. */
enum store_result store_add(struct store *, const char *name, const char *hash, int64_t created_us) MUST_CHECK;
/*
 * Sets a new password's hash, and ends all tokens of the account. Where old_hash is not NULL it is the same password's:
 * sets it only if the old one is still there (STORE_ABSENT otherwise), and leaves the tokens.
 */
enum store_result store_set_hash(struct store *, const char *name, const char *hash, const char *old_hash) MUST_CHECK;
/* Disabling ends all tokens of the account, and so does removing. */
enum store_result store_set_disabled(struct store *, const char *name, bool disabled) MUST_CHECK;
enum store_result store_remove(struct store *, const char *name) MUST_CHECK;
/* All stamps in one transaction; accounts that have gone meanwhile are passed over. */
enum store_result store_stamp(struct store *, const struct account_stamp *, size_t count) MUST_CHECK;
/* Calls each for every account, by name, in one read transaction; a non-zero result ends it. */
enum store_result store_each(struct store *, int (*each)(void *arg, const struct account *), void *arg) MUST_CHECK;

/*
 * Tokens. A password login begins a family; a resumption makes a token of the same family, which the client is told.
 * A token is fresh until it is used: then it is its family's current one, and all others of the family are spent. The
 * current one can be used again as long as none that followed it was, for the reply that told of that one may be lost.
 * Whoever uses a spent one has it from elsewhere, or somebody else has: it is for store_revoke_family to end the
 * family.
 */
#define STORE_FAMILIES_MAX    8  /* of an account; the oldest goes when another is begun */
#define STORE_FAMILY_KEPT_MAX 64 /* of a family, beside the current one: older ones are forgotten, and so unknown */
/* A token from later than this is refused: the clock was wrong then, and so would its end be. */
#define STORE_CLOCK_SLACK_US 60000000

/* Begins a family, if the account is not disabled and its hash still this one (STORE_ABSENT otherwise). */
enum store_result store_begin_tokens(struct store *, const char *name, const char *hash,
                                     const struct store_token *first) MUST_CHECK;
/*
 * Uses the token of that digest, and adds next to its family; out is the account. STORE_ABSENT where it is unknown, out
 * of time (by next->now_us), or its account disabled; STORE_SPENT where another has followed it. Those two have read
 * only, and as much as each other.
 */
enum store_result store_resume(struct store *, const uint8_t digest[TOKEN_DIGEST_BYTES], const struct store_token *next,
                               struct account *out) MUST_CHECK;
/* Ends the family of a spent token, and writes the account's name; STORE_ABSENT where it is not one any more. */
enum store_result store_revoke_family(struct store *, const uint8_t digest[TOKEN_DIGEST_BYTES],
                                      char name[NAME_BYTES_MAX + 1]) MUST_CHECK;
/* Ends all tokens of the account; families: how many were good until then. */
enum store_result store_revoke(struct store *, const char *name, int64_t now_us, int64_t *families) MUST_CHECK;

#endif
