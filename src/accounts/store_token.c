#include "store_token.h"

#include <string.h>

#include "store_run.h"

/* What an issue clears away of tokens past their time, so that they never pile up, and no one waits for it. */
#define EXPIRED_AT_ONCE 100

enum state { FRESH, CURRENT, SPENT }; /* as the schema has them */

#define DIGEST(d) STORE_BLOB((d), TOKEN_DIGEST_BYTES)

/* A token as it was found, with its account. */
struct found {
	struct account account;
	int64_t family, issued_us, expires_us;
	enum state state;
};

/* The one number of the statement's first row. Returns SQLite's result. */
static int number(struct store *s, enum store_statement which, const struct store_value *values, size_t count,
                  int64_t *out)
{
	int rc = store_run_first(s, which, values, count);

	*out = rc == SQLITE_ROW ? sqlite3_column_int64(s->stmt[which], 0) : 0;
	if (s->stmt[which])
		store_run_release(s, which);
	return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int clear_expired(struct store *s, int64_t now_us)
{
	return store_run(s, STORE_DROP_EXPIRED, STORE_VALUES(STORE_NUMBER(now_us), STORE_NUMBER(EXPIRED_AT_ONCE)));
}

/* Adds a fresh token to the family, and clears away what is too old, but never the family's current token. */
static int issue(struct store *s, const char *name, int64_t family, const struct store_token *token)
{
	int64_t serial;
	int rc = number(s, STORE_NEXT_SERIAL, STORE_VALUES(STORE_TEXT(name), STORE_NUMBER(family)), &serial);

	if (rc == SQLITE_OK)
		rc = store_run(s, STORE_ADD_TOKEN,
		               STORE_VALUES(DIGEST(token->digest), STORE_TEXT(name), STORE_NUMBER(family),
		                            STORE_NUMBER(serial), STORE_NUMBER(token->now_us),
		                            STORE_NUMBER(token->now_us + token->life_us)));
	if (rc == SQLITE_OK)
		rc = store_run(
		    s, STORE_DROP_OLD_TOKENS,
		    STORE_VALUES(STORE_TEXT(name), STORE_NUMBER(family), STORE_NUMBER(STORE_FAMILY_KEPT_MAX)));
	return rc;
}

int store_token_begin_family(struct store *s, const char *name, const struct store_token *token)
{
	int64_t family = 0;
	int rc = clear_expired(s, token->now_us);

	if (rc == SQLITE_OK)
		rc = store_run(s, STORE_DROP_OLD_FAMILIES,
		               STORE_VALUES(STORE_TEXT(name), STORE_NUMBER(STORE_FAMILIES_MAX - 1)));
	if (rc == SQLITE_OK)
		rc = number(s, STORE_NEXT_FAMILY, STORE_VALUES(STORE_TEXT(name)), &family);
	return rc == SQLITE_OK ? issue(s, name, family, token) : rc;
}

enum store_result store_begin_tokens(struct store *s, const char *name, const char *hash,
                                     const struct store_token *first)
{
	struct account account;
	enum store_result result = store_run_begin(s);

	/* unreached: accounts that are out of reach just now, which tests/fault/store_walk.c makes */
	if (result != STORE_OK)
		return result;
	int rc = store_run_find(s, name, &account);
	bool may = rc == SQLITE_ROW && !account.disabled && strcmp(account.hash, hash) == 0;
	if (rc == SQLITE_ROW)
		password_wipe(&account, sizeof(account));
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return store_run_fail(s, rc, STORE_FILE_READ);
	if (!may)
		return store_run_cancel(s, STORE_ABSENT);
	return store_run_commit(s, store_token_begin_family(s, name, first));
}

/* SQLITE_ROW, SQLITE_DONE where there is none, or an error. */
static int find(struct store *s, const uint8_t *digest, struct found *out)
{
	int rc = store_run_first(s, STORE_FIND_TOKEN, STORE_VALUES(DIGEST(digest)));
	sqlite3_stmt *row = s->stmt[STORE_FIND_TOKEN];

	if (rc == SQLITE_ROW) {
		out->family = sqlite3_column_int64(row, 8);
		int64_t state = sqlite3_column_int64(row, 9);
		out->state = state == FRESH ? FRESH : state == CURRENT ? CURRENT : SPENT; /* whatever it is */
		out->issued_us = sqlite3_column_int64(row, 10);
		out->expires_us = sqlite3_column_int64(row, 11);
		/* unreached: a row beside a token that no program of ours wrote */
		if (store_run_account(row, &out->account) != SQLITE_OK)
			rc = SQLITE_CORRUPT;
	}
	/* unreached: a statement that could not be prepared, for want of memory */
	if (row)
		store_run_release(s, STORE_FIND_TOKEN);
	return rc;
}

static enum store_result judge(const struct found *f, int64_t now_us)
{
	bool in_time = f->issued_us - STORE_CLOCK_SLACK_US <= now_us && now_us < f->expires_us;

	if (!in_time || f->account.disabled)
		return STORE_ABSENT;
	return f->state == SPENT ? STORE_SPENT : STORE_OK;
}

/* Finds and judges. STORE_OK only for a token that may be used; f is of use then, and when it is spent. */
static enum store_result look(struct store *s, const uint8_t *digest, int64_t now_us, struct found *f)
{
	int rc = find(s, digest, f);

	if (rc == SQLITE_ROW)
		return judge(f, now_us);
	return rc == SQLITE_DONE ? STORE_ABSENT : store_run_fail(s, rc, STORE_FILE_READ);
}

static enum store_result use(struct store *s, const uint8_t *digest, const struct found *f,
                             const struct store_token *next)
{
	const char *name = f->account.name;
	int rc = clear_expired(s, next->now_us);

	if (rc == SQLITE_OK && f->state == FRESH)
		rc = store_run(s, STORE_SPEND_OTHERS,
		               STORE_VALUES(STORE_TEXT(name), STORE_NUMBER(f->family), DIGEST(digest)));
	if (rc == SQLITE_OK && f->state == FRESH)
		rc = store_run(s, STORE_USE_TOKEN, STORE_VALUES(DIGEST(digest)));
	if (rc == SQLITE_OK)
		rc = issue(s, name, f->family, next);
	return store_run_commit(s, rc);
}

/* Whether an operation within a transaction has failed so that the transaction is over already. */
static bool is_over(enum store_result result)
{
	/* unreached: a lock that is kept within a transaction */
	return result == STORE_BUSY || result == STORE_UNAVAILABLE;
}

/* Looks before it takes the lock: who guesses costs one look-up. What it found may have changed until it has it. */
static enum store_result resume(struct store *s, const uint8_t *digest, const struct store_token *next, struct found *f)
{
	enum store_result result = store_run_ready(s);

	/* unreached: accounts that are out of reach just now */
	if (result == STORE_OK)
		result = look(s, digest, next->now_us, f);
	if (result == STORE_OK)
		result = store_run_begin(s);
	if (result != STORE_OK)
		return result;
	result = look(s, digest, next->now_us, f);
	if (result == STORE_OK)
		return use(s, digest, f, next);
	/* unreached: it was used or revoked between two calls */
	return is_over(result) ? result : store_run_cancel(s, result);
}

enum store_result store_resume(struct store *s, const uint8_t digest[TOKEN_DIGEST_BYTES],
                               const struct store_token *next, struct account *out)
{
	struct found f = {.family = 0};
	enum store_result result = resume(s, digest, next, &f);

	if (result == STORE_OK)
		*out = f.account;
	password_wipe(&f, sizeof(f));
	return result;
}

enum store_result store_revoke_family(struct store *s, const uint8_t digest[TOKEN_DIGEST_BYTES],
                                      char name[NAME_BYTES_MAX + 1])
{
	struct found f;
	enum store_result result = store_run_begin(s);

	name[0] = '\0';
	/* unreached: the same */
	if (result != STORE_OK)
		return result;
	int rc = find(s, digest, &f);
	/* unreached: a disk that fails, which tests/fault/store_walk.c makes */
	if (rc == SQLITE_DONE || (rc == SQLITE_ROW && f.state != SPENT))
		return store_run_cancel(s, STORE_ABSENT);
	/* unreached: the same */
	if (rc != SQLITE_ROW)
		return store_run_fail(s, rc, STORE_FILE_READ);
	memcpy(name, f.account.name, sizeof(f.account.name));
	password_wipe(&f.account, sizeof(f.account));
	return store_run_commit(
	    s, store_run(s, STORE_REVOKE_FAMILY, STORE_VALUES(STORE_TEXT(name), STORE_NUMBER(f.family))));
}

enum store_result store_revoke(struct store *s, const char *name, int64_t now_us, int64_t *families)
{
	struct account account;
	enum store_result result = store_run_begin(s);

	*families = 0;
	if (result != STORE_OK)
		return result;
	int rc = store_run_find(s, name, &account);
	if (rc == SQLITE_DONE)
		return store_run_cancel(s, STORE_ABSENT);
	/* unreached: the same */
	if (rc != SQLITE_ROW)
		return store_run_fail(s, rc, STORE_FILE_READ);
	password_wipe(&account, sizeof(account));
	rc = number(s, STORE_COUNT_FAMILIES, STORE_VALUES(STORE_TEXT(name), STORE_NUMBER(now_us)), families);
	/* unreached: the same */
	if (rc == SQLITE_OK)
		rc = store_run(s, STORE_REVOKE, STORE_VALUES(STORE_TEXT(name)));
	return store_run_commit(s, rc);
}
