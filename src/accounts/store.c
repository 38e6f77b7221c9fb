#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store_file.h"
#include "store_make.h"

enum statement {
	BEGIN,
	COMMIT,
	ROLLBACK,
	FIND,
	EACH,
	ADD,
	SET_HASH,
	REPLACE_HASH,
	SET_DISABLED,
	REMOVE,
	STAMP,
	STATEMENTS
};

#define COLUMNS "name, hash, created_us, last_login_us, last_address, logins, failures, disabled"

/*
 * $1, $2, … stand in the order of their first use: SQLite counts them so, PostgreSQL by their numbers. A stamp's time
 * is taken as it comes, not the later one: a clock that once stood in the future would leave its mark for good.
 */
static const char *const sql[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE", /* takes the lock at once, where waiting for it cannot fail half-way */
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [FIND] = "SELECT " COLUMNS " FROM account WHERE name = $1",
    [EACH] = "SELECT " COLUMNS " FROM account ORDER BY name",
    [ADD] = "INSERT INTO account (name, hash, created_us) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    [SET_HASH] = "UPDATE account SET hash = $1 WHERE name = $2",
    [REPLACE_HASH] = "UPDATE account SET hash = $1 WHERE name = $2 AND hash = $3",
    [SET_DISABLED] = "UPDATE account SET disabled = $1 WHERE name = $2",
    [REMOVE] = "DELETE FROM account WHERE name = $1",
    [STAMP] = "UPDATE account SET logins = logins + $1,"
              " last_login_us = CASE WHEN $2 <> 0 THEN $2 ELSE last_login_us END,"
              " last_address = CASE WHEN $2 <> 0 THEN $3 ELSE last_address END,"
              " failures = CASE WHEN $4 <> 0 THEN $5 ELSE failures + $5 END WHERE name = $6",
};

struct store {
	struct store_file file;
	sqlite3_stmt *stmt[STATEMENTS]; /* NULL until first used */
};

static void finalize_all(struct store *s)
{
	for (size_t i = 0; i < STATEMENTS; i++) {
		sqlite3_finalize(s->stmt[i]);
		s->stmt[i] = NULL;
	}
}

static int prepare(struct store *s, enum statement which)
{
	if (s->stmt[which])
		return SQLITE_OK;
	return sqlite3_prepare_v3(s->file.db, sql[which], -1, SQLITE_PREPARE_PERSISTENT, &s->stmt[which], NULL);
}

/* Runs a statement that gives no rows, and lets go of what was bound to it. */
static int run(struct store *s, enum statement which)
{
	int rc = prepare(s, which);

	if (rc != SQLITE_OK)
		return rc;
	rc = sqlite3_step(s->stmt[which]);
	sqlite3_reset(s->stmt[which]);
	sqlite3_clear_bindings(s->stmt[which]);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/*
 * Ends an operation that SQLite refused. After what says that the file or the disk is not to be trusted the file is
 * closed, so that the next operation opens it anew with all checks: that is how a store comes back by itself.
 */
static enum store_result fail(struct store *s, int rc, const char *doing)
{
	enum store_result result = store_file_explain(&s->file, rc, doing);

	for (size_t i = 0; i < STATEMENTS; i++)
		sqlite3_reset(s->stmt[i]);
	if (!sqlite3_get_autocommit(s->file.db))
		(void)run(s, ROLLBACK);
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_FULL:
	case SQLITE_NOMEM:
	case SQLITE_CONSTRAINT:
		/* unreached: a rollback that fails, though the change did not */
		if (sqlite3_get_autocommit(s->file.db))
			return result;
	}
	finalize_all(s);
	store_file_close(&s->file);
	return result;
}

static enum store_result reopen(struct store *s)
{
	enum store_result result = store_file_open(&s->file);

	if (result != STORE_OK)
		return result;
	int rc = prepare(s, FIND); /* finds out whether the table is as we know it */
	return rc == SQLITE_OK ? STORE_OK : fail(s, rc, "open");
}

/* Before every operation: the name must still stand for the file that is open. */
static enum store_result ready(struct store *s)
{
	enum store_file_state state = store_file_look(&s->file);

	/* unreached: no other value */
	switch (state) {
	case STORE_FILE_SAME: return STORE_OK;
	case STORE_FILE_BARRED: return STORE_UNAVAILABLE;
	case STORE_FILE_GONE:
	case STORE_FILE_OTHER: break;
	}
	finalize_all(s);
	store_file_part(&s->file);
	return state == STORE_FILE_OTHER ? reopen(s) : STORE_UNAVAILABLE;
}

/* The path in where, absolute; the caller's to free. NULL, with a sentence in why. */
static char *path_in(const char *where, char why[STORE_WHY_MAX])
{
	static const char scheme[] = "sqlite:";
	const char *path = strncmp(where, scheme, sizeof(scheme) - 1) == 0 ? where + sizeof(scheme) - 1 : where;
	char *absolute = NULL, *folder = NULL;

	if (!*path || path[strlen(path) - 1] == '/' || strncmp(path, "postgres", 8) == 0) {
		snprintf(why, STORE_WHY_MAX,
		         "Cannot open the accounts in '%.300s': that names no file; give sqlite:PATH.", where);
		return NULL;
	}
	if (*path == '/')
		absolute = strdup(path);
	/* unreached: want of memory, and a current folder that was removed */
	else if (!(folder = getcwd(NULL, 0)) || asprintf(&absolute, "%s/%s", folder, path) < 0)
		absolute = NULL;
	free(folder);
	if (!absolute)
		snprintf(why, STORE_WHY_MAX,
		         "Cannot open the accounts in %.300s: no memory, or no current folder; give an absolute path.",
		         path);
	return absolute;
}

static enum store_result make_if_absent(struct store *s, enum store_create create, bool *created)
{
	if (create != STORE_MAY_CREATE || access(s->file.path, F_OK) == 0)
		return STORE_OK; /* opening tells what is wrong with it */
	return store_make(s->file.path, created, s->file.why);
}

enum store_result store_open(struct store **out, const char *where, enum store_create create, bool *created,
                             char why[STORE_WHY_MAX])
{
	*out = NULL;
	*created = false;
	char *path = path_in(where, why);
	struct store *s = path ? calloc(1, sizeof(*s)) : NULL;
	if (!s) {
		if (path)
			snprintf(why, STORE_WHY_MAX, "Cannot open the accounts in %.300s: memory is out; free some.",
			         path);
		free(path);
		return STORE_UNAVAILABLE;
	}
	s->file.path = path;
	s->file.was_checked = create == STORE_WAS_CHECKED;
	enum store_result result = make_if_absent(s, create, created);
	if (result == STORE_OK)
		result = reopen(s);
	if (result == STORE_OK) {
		*out = s;
		return STORE_OK;
	}
	memcpy(why, s->file.why, STORE_WHY_MAX);
	store_close(s);
	return result;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	finalize_all(s);
	store_file_close(&s->file);
	free(s->file.path);
	free(s);
}

const char *store_why(const struct store *s)
{
	return s->file.why;
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

static int read_account(sqlite3_stmt *stmt, struct account *out)
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

/* Texts are bound where they lie. An unbound one is NULL, which finds nothing and which no column takes. */
static void bind_text(struct store *s, enum statement which, int i, const char *text)
{
	(void)sqlite3_bind_text(s->stmt[which], i, text, -1, SQLITE_STATIC);
}

static void bind_number(struct store *s, enum statement which, int i, int64_t n)
{
	(void)sqlite3_bind_int64(s->stmt[which], i, n);
}

enum store_result store_find(struct store *s, const char *name, struct account *out)
{
	enum store_result result = ready(s);

	if (result != STORE_OK)
		return result;
	int rc = prepare(s, FIND);
	if (rc != SQLITE_OK) /* unreached: opening has prepared it */
		return fail(s, rc, "read");
	bind_text(s, FIND, 1, name);
	rc = sqlite3_step(s->stmt[FIND]);
	bool found = rc == SQLITE_ROW;
	if (found)
		rc = read_account(s->stmt[FIND], out);
	sqlite3_reset(s->stmt[FIND]);
	sqlite3_clear_bindings(s->stmt[FIND]);
	if (rc != SQLITE_OK && rc != SQLITE_DONE)
		return fail(s, rc, "read");
	return found ? STORE_OK : STORE_ABSENT;
}

enum store_result store_each(struct store *s, int (*each)(void *arg, const struct account *), void *arg)
{
	struct account account;
	enum store_result result = ready(s);

	if (result != STORE_OK)
		return result;
	int rc = prepare(s, EACH);
	while (rc == SQLITE_OK && (rc = sqlite3_step(s->stmt[EACH])) == SQLITE_ROW) {
		rc = read_account(s->stmt[EACH], &account);
		if (rc == SQLITE_OK && each(arg, &account))
			break;
	}
	sqlite3_reset(s->stmt[EACH]);
	password_wipe(&account, sizeof(account));
	return rc == SQLITE_OK || rc == SQLITE_DONE ? STORE_OK : fail(s, rc, "read");
}

/* Begins a change and makes its statement ready for what is to be bound to it. */
static enum store_result begin(struct store *s, enum statement which)
{
	enum store_result result = ready(s);

	if (result != STORE_OK)
		return result;
	int rc = prepare(s, which);
	if (rc == SQLITE_OK)
		rc = run(s, BEGIN);
	return rc == SQLITE_OK ? STORE_OK : fail(s, rc, "change");
}

/* Runs the statement and commits. The result is otherwise where no row changed. */
static enum store_result finish(struct store *s, enum statement which, enum store_result otherwise)
{
	int rc = run(s, which), changed = sqlite3_changes(s->file.db);

	if (rc == SQLITE_OK)
		rc = run(s, COMMIT);
	if (rc != SQLITE_OK)
		return fail(s, rc, "change");
	return changed ? STORE_OK : otherwise;
}

enum store_result store_add(struct store *s, const char *name, const char *hash, int64_t created_us)
{
	enum store_result result = begin(s, ADD);

	if (result != STORE_OK)
		return result;
	bind_text(s, ADD, 1, name);
	bind_text(s, ADD, 2, hash);
	bind_number(s, ADD, 3, created_us);
	return finish(s, ADD, STORE_EXISTS);
}

enum store_result store_set_hash(struct store *s, const char *name, const char *hash, const char *old_hash)
{
	enum statement which = old_hash ? REPLACE_HASH : SET_HASH;
	enum store_result result = begin(s, which);

	if (result != STORE_OK)
		return result;
	bind_text(s, which, 1, hash);
	bind_text(s, which, 2, name);
	if (old_hash)
		bind_text(s, which, 3, old_hash);
	return finish(s, which, STORE_ABSENT);
}

enum store_result store_set_disabled(struct store *s, const char *name, bool disabled)
{
	enum store_result result = begin(s, SET_DISABLED);

	if (result != STORE_OK)
		return result;
	bind_number(s, SET_DISABLED, 1, disabled);
	bind_text(s, SET_DISABLED, 2, name);
	return finish(s, SET_DISABLED, STORE_ABSENT);
}

enum store_result store_remove(struct store *s, const char *name)
{
	enum store_result result = begin(s, REMOVE);

	if (result != STORE_OK)
		return result;
	bind_text(s, REMOVE, 1, name);
	return finish(s, REMOVE, STORE_ABSENT);
}

static int stamp(struct store *s, const struct account_stamp *stamp)
{
	bind_number(s, STAMP, 1, stamp->logins);
	bind_number(s, STAMP, 2, stamp->last_login_us);
	bind_text(s, STAMP, 3, stamp->last_address);
	bind_number(s, STAMP, 4, stamp->failures_restart);
	bind_number(s, STAMP, 5, stamp->failures);
	bind_text(s, STAMP, 6, stamp->name);
	return run(s, STAMP);
}

enum store_result store_stamp(struct store *s, const struct account_stamp *stamps, size_t count)
{
	enum store_result result = count ? begin(s, STAMP) : STORE_OK;

	if (result != STORE_OK || count == 0)
		return result;
	int rc = SQLITE_OK;
	for (size_t i = 0; i < count && rc == SQLITE_OK; i++)
		rc = stamp(s, &stamps[i]);
	if (rc == SQLITE_OK)
		rc = run(s, COMMIT);
	return rc == SQLITE_OK ? STORE_OK : fail(s, rc, "change");
}
