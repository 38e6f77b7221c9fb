#include "store_run.h"

#include <string.h>

#define COLUMNS "name, hash, created_us, last_login_us, last_address, logins, failures, disabled"

/*
 * $1, $2, … stand in the order of their first use: SQLite counts them so, PostgreSQL by their numbers. A stamp's time
 * is taken as it comes, not the later one: a clock that once stood in the future would leave its mark for good.
 */
static const char *const sql[STORE_STATEMENTS] = {
    [STORE_BEGIN] = "BEGIN IMMEDIATE", /* takes the lock at once, where waiting for it cannot fail half-way */
    [STORE_COMMIT] = "COMMIT",
    [STORE_ROLLBACK] = "ROLLBACK",
    [STORE_FIND] = "SELECT " COLUMNS " FROM account WHERE name = $1",
    [STORE_EACH] = "SELECT " COLUMNS " FROM account ORDER BY name",
    [STORE_ADD] = "INSERT INTO account (name, hash, created_us) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    [STORE_COUNT] = "SELECT accounts FROM tally",
    [STORE_SET_HASH] = "UPDATE account SET hash = $1 WHERE name = $2",
    [STORE_REPLACE_HASH] = "UPDATE account SET hash = $1 WHERE name = $2 AND hash = $3",
    [STORE_SET_DISABLED] = "UPDATE account SET disabled = $1 WHERE name = $2",
    [STORE_REMOVE] = "DELETE FROM account WHERE name = $1", /* and its tokens, by the schema */
    [STORE_STAMP] = "UPDATE account SET logins = logins + $1,"
                    " last_login_us = CASE WHEN $2 <> 0 THEN $2 ELSE last_login_us END,"
                    " last_address = CASE WHEN $2 <> 0 THEN $3 ELSE last_address END,"
                    " failures = CASE WHEN $4 <> 0 THEN $5 ELSE failures + $5 END WHERE name = $6",
    [STORE_FIND_TOKEN] = "SELECT " COLUMNS ", family, state, issued_us, expires_us FROM token"
                         " JOIN account ON name = token.account WHERE digest = $1",
    [STORE_NEXT_FAMILY] = "SELECT coalesce(max(family), 0) + 1 FROM token WHERE account = $1",
    [STORE_NEXT_SERIAL] = "SELECT coalesce(max(serial), 0) + 1 FROM token WHERE account = $1 AND family = $2",
    [STORE_ADD_TOKEN] = "INSERT INTO token (digest, account, family, serial, state, issued_us, expires_us)"
                        " VALUES ($1, $2, $3, $4, 0, $5, $6)",
    [STORE_USE_TOKEN] = "UPDATE token SET state = 1 WHERE digest = $1",
    [STORE_SPEND_OTHERS] = "UPDATE token SET state = 2"
                           " WHERE account = $1 AND family = $2 AND digest <> $3 AND state <> 2",
    [STORE_DROP_OLD_TOKENS] = "DELETE FROM token WHERE digest IN (SELECT digest FROM token WHERE account = $1"
                              " AND family = $2 AND state <> 1 ORDER BY serial DESC LIMIT 1000 OFFSET $3)",
    [STORE_DROP_OLD_FAMILIES] = "DELETE FROM token WHERE account = $1 AND family NOT IN (SELECT DISTINCT family"
                                " FROM token WHERE account = $1 ORDER BY family DESC LIMIT $2)",
    [STORE_DROP_EXPIRED] = "DELETE FROM token WHERE digest IN (SELECT digest FROM token WHERE expires_us <= $1"
                           " ORDER BY expires_us LIMIT $2)",
    [STORE_COUNT_FAMILIES] = "SELECT count(DISTINCT family) FROM token"
                             " WHERE account = $1 AND state <> 2 AND expires_us > $2",
    [STORE_REVOKE_FAMILY] = "DELETE FROM token WHERE account = $1 AND family = $2",
    [STORE_REVOKE] = "DELETE FROM token WHERE account = $1",
};

void store_run_finalize(struct store *s)
{
	for (size_t i = 0; i < STORE_STATEMENTS; i++) {
		sqlite3_finalize(s->stmt[i]);
		s->stmt[i] = NULL;
	}
}

static int prepare(struct store *s, enum store_statement which)
{
	if (s->stmt[which])
		return SQLITE_OK;
	return sqlite3_prepare_v3(s->file.db, sql[which], -1, SQLITE_PREPARE_PERSISTENT, &s->stmt[which], NULL);
}

/* One that cannot be bound stays NULL, which finds nothing and which no column takes. */
static void bind(sqlite3_stmt *stmt, int i, const struct store_value *v)
{
	if (v->text)
		(void)sqlite3_bind_text(stmt, i, v->text, -1, SQLITE_STATIC);
	else if (v->blob)
		(void)sqlite3_bind_blob(stmt, i, v->blob, v->blob_len, SQLITE_STATIC);
	else
		(void)sqlite3_bind_int64(stmt, i, v->number);
}

int store_run_first(struct store *s, enum store_statement which, const struct store_value *values, size_t count)
{
	int rc = prepare(s, which);

	if (rc != SQLITE_OK)
		return rc;
	for (size_t i = 0; i < count; i++)
		bind(s->stmt[which], (int)i + 1, &values[i]);
	return sqlite3_step(s->stmt[which]);
}

void store_run_release(struct store *s, enum store_statement which)
{
	sqlite3_reset(s->stmt[which]);
	sqlite3_clear_bindings(s->stmt[which]);
}

int store_run(struct store *s, enum store_statement which, const struct store_value *values, size_t count)
{
	int rc = store_run_first(s, which, values, count);

	if (s->stmt[which])
		store_run_release(s, which);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/*
 * After what says that the file or the disk is not to be trusted the file is closed, so that the next operation opens
 * it anew with all checks: that is how a store comes back by itself.
 */
enum store_result store_run_fail(struct store *s, int rc, enum store_file_doing doing)
{
	enum store_result result = store_file_explain(&s->file, rc, doing);

	for (size_t i = 0; i < STORE_STATEMENTS; i++)
		sqlite3_reset(s->stmt[i]);
	if (!sqlite3_get_autocommit(s->file.db))
		(void)!store_run(s, STORE_ROLLBACK, NULL, 0);
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_FULL:
	case SQLITE_NOMEM:
	case SQLITE_CONSTRAINT:
		/* unreached: a rollback that fails, though the change did not */
		if (sqlite3_get_autocommit(s->file.db))
			return result;
	}
	store_run_finalize(s);
	store_file_close(&s->file);
	return result;
}

enum store_result store_run_open(struct store *s)
{
	enum store_result result = store_file_open(&s->file);

	if (result != STORE_OK)
		return result;
	int rc = prepare(s, STORE_FIND); /* finds out whether the tables are as we know them */
	if (rc == SQLITE_OK)
		rc = prepare(s, STORE_FIND_TOKEN);
	return rc == SQLITE_OK ? STORE_OK : store_run_fail(s, rc, STORE_FILE_OPEN);
}

enum store_result store_run_ready(struct store *s)
{
	enum store_file_state state = store_file_look(&s->file);

	/* unreached: no other value */
	switch (state) {
	case STORE_FILE_SAME: return STORE_OK;
	case STORE_FILE_BARRED: return STORE_UNAVAILABLE;
	case STORE_FILE_GONE:
	case STORE_FILE_OTHER: break;
	}
	store_run_finalize(s);
	store_file_part(&s->file);
	return state == STORE_FILE_OTHER ? store_run_open(s) : STORE_UNAVAILABLE;
}

enum store_result store_run_begin(struct store *s)
{
	enum store_result result = store_run_ready(s);

	if (result != STORE_OK)
		return result;
	int rc = store_run(s, STORE_BEGIN, NULL, 0);
	return rc == SQLITE_OK ? STORE_OK : store_run_fail(s, rc, STORE_FILE_CHANGE);
}

enum store_result store_run_commit(struct store *s, int rc)
{
	if (rc == SQLITE_OK)
		rc = store_run(s, STORE_COMMIT, NULL, 0);
	return rc == SQLITE_OK ? STORE_OK : store_run_fail(s, rc, STORE_FILE_CHANGE);
}

enum store_result store_run_cancel(struct store *s, enum store_result otherwise)
{
	int rc = store_run(s, STORE_ROLLBACK, NULL, 0);

	/* unreached: a rollback that fails, which tests/fault/store_walk.c makes */
	return rc == SQLITE_OK ? otherwise : store_run_fail(s, rc, STORE_FILE_CHANGE);
}

/* A text of the row under stmt; false where it does not fit, or holds a NUL: no program of ours wrote that. */
static bool read_text(sqlite3_stmt *stmt, int column, char *out, size_t cap)
{
	const void *text = sqlite3_column_text(stmt, column);
	size_t len = (size_t)sqlite3_column_bytes(stmt, column);

	/* unreached: no column is NULL, by the schema */
	if (!text || len >= cap || memchr(text, '\0', len))
		return false;
	memcpy(out, text, len);
	out[len] = '\0';
	return true;
}

int store_run_account(sqlite3_stmt *stmt, struct account *out)
{
	*out = (struct account){
	    .created_us = sqlite3_column_int64(stmt, 2),
	    .last_login_us = sqlite3_column_int64(stmt, 3),
	    .logins = sqlite3_column_int64(stmt, 5),
	    .failures = sqlite3_column_int64(stmt, 6),
	    .disabled = sqlite3_column_int64(stmt, 7) != 0, /* whatever it is: not 0 locks out */
	};
	return read_text(stmt, 0, out->name, sizeof(out->name)) && read_text(stmt, 1, out->hash, sizeof(out->hash)) &&
	               read_text(stmt, 4, out->last_address, sizeof(out->last_address))
	           ? SQLITE_OK
	           : SQLITE_CORRUPT;
}

int store_run_find(struct store *s, const char *name, struct account *out)
{
	int rc = store_run_first(s, STORE_FIND, STORE_VALUES(STORE_TEXT(name)));

	if (rc == SQLITE_ROW && store_run_account(s->stmt[STORE_FIND], out) != SQLITE_OK)
		rc = SQLITE_CORRUPT;
	/* unreached: a statement that could not be prepared, for want of memory */
	if (s->stmt[STORE_FIND])
		store_run_release(s, STORE_FIND);
	return rc;
}
