#include "store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store_file.h"
#include "store_make.h"
#include "store_modes.h"
#include "store_run.h"
#include "store_token.h"
#include "words.h"

/* The path in where, absolute; the caller's to free. NULL, with a sentence in why. */
static char *path_in(const char *where, char why[STORE_WHY_MAX])
{
	static const char scheme[] = "sqlite:";
	const char *path = strncmp(where, scheme, sizeof(scheme) - 1) == 0 ? where + sizeof(scheme) - 1 : where;
	char *absolute = NULL, *folder = NULL;

	if (!*path || path[strlen(path) - 1] == '/' || strncmp(path, "postgres", 8) == 0) {
		snprintf(why, STORE_WHY_MAX,
		         _("Cannot open the accounts in '%.300s': that names no file; give sqlite:PATH."), where);
		return NULL;
	}
	if (*path == '/')
		absolute = strdup(path);
	/* unreached: want of memory, and a current folder that was removed */
	else if (!(folder = getcwd(NULL, 0)) || asprintf(&absolute, "%s/%s", folder, path) < 0)
		absolute = NULL;
	free(folder);
	if (!absolute)
		snprintf(
		    why, STORE_WHY_MAX,
		    _("Cannot open the accounts in %.300s: no memory, or no current folder; give an absolute path."),
		    path);
	return absolute;
}

/* Where path leads in the end, though the file itself may not be there yet; the caller's to free. NULL: nowhere. */
static char *real_folder(char *path)
{
	char *real = realpath(path, NULL);

	/* unreached: a path that may not be looked at, which tests/full/test_faults.py has */
	if (!real && errno == ENOENT) {
		char *slash = strrchr(path, '/');
		slash[slash == path] = '\0';
		return realpath(path, NULL);
	}
	/* unreached: the same */
	if (real) {
		char *slash = strrchr(real, '/');
		slash[slash == real] = '\0';
	}
	return real;
}

char *store_prepare(const char *where, enum store_create create)
{
	char why[STORE_WHY_MAX], *path = path_in(where, why), *folder = NULL, seed;

	sqlite3_randomness(sizeof(seed), &seed); /* SQLite's generator takes its own seed from /dev/urandom, once */
	if (path && create == STORE_MAY_CREATE)
		(void)!store_make_folders(path);
	if (path)
		folder = real_folder(path);
	free(path);
	return folder;
}

enum store_modes store_modes(const char *where, char why[STORE_WHY_MAX])
{
	char *path = path_in(where, why);
	enum store_modes modes = path ? store_modes_of(path, why) : STORE_PRIVATE; /* store_open tells */

	free(path);
	return modes;
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
			snprintf(why, STORE_WHY_MAX, _("Cannot open the accounts in %.300s: memory is out; free some."),
			         path);
		free(path);
		return STORE_UNAVAILABLE;
	}
	s->file.path = path;
	s->file.fd = -1;
	s->file.was_checked = create == STORE_WAS_CHECKED;
	enum store_result result = make_if_absent(s, create, created);
	if (result == STORE_OK)
		result = store_run_open(s);
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
	store_run_finalize(s);
	store_file_close(&s->file);
	free(s->file.path);
	free(s);
}

const char *store_why(const struct store *s)
{
	return s->file.why;
}

bool store_was_upgraded(struct store *s)
{
	bool was = s->file.was_upgraded;

	s->file.was_upgraded = false;
	return was;
}

enum store_result store_find(struct store *s, const char *name, struct account *out)
{
	enum store_result result = store_run_ready(s);

	if (result != STORE_OK)
		return result;
	int rc = store_run_find(s, name, out);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return store_run_fail(s, rc, STORE_FILE_READ);
	return rc == SQLITE_ROW ? STORE_OK : STORE_ABSENT;
}

enum store_result store_each(struct store *s, int (*each)(void *arg, const struct account *), void *arg)
{
	struct account account = {.name = ""};
	enum store_result result = store_run_ready(s);

	if (result != STORE_OK)
		return result;
	int rc = store_run_first(s, STORE_EACH, NULL, 0);
	while (rc == SQLITE_ROW) {
		rc = store_run_account(s->stmt[STORE_EACH], &account);
		if (rc == SQLITE_OK && each(arg, &account))
			break;
		if (rc == SQLITE_OK)
			rc = sqlite3_step(s->stmt[STORE_EACH]);
	}
	/* unreached: a statement that could not be prepared, for want of memory (tests/fault/store_walk.c) */
	if (s->stmt[STORE_EACH])
		store_run_release(s, STORE_EACH);
	password_wipe(&account, sizeof(account));
	return rc == SQLITE_OK || rc == SQLITE_DONE ? STORE_OK : store_run_fail(s, rc, STORE_FILE_READ);
}

/* Commits what store_run made of rc. The result is otherwise where no row changed. */
static enum store_result finish(struct store *s, int rc, enum store_result otherwise)
{
	int changed = sqlite3_changes(s->file.db);
	enum store_result result = store_run_commit(s, rc);

	/* unreached: a commit that fails, which tests/fault/store_walk.c makes */
	return result != STORE_OK || changed ? result : otherwise;
}

/* Whether there are more accounts than limit; 0 is none. */
static int count(struct store *s, int64_t limit, bool *too_many)
{
	*too_many = false;
	if (limit == 0)
		return SQLITE_OK;
	int rc = store_run_first(s, STORE_COUNT, NULL, 0);
	/* unreached: a count that is none, or that the disk does not give */
	*too_many = rc == SQLITE_ROW && sqlite3_column_int64(s->stmt[STORE_COUNT], 0) > limit;
	/* unreached: the same as above: no memory to prepare it */
	if (s->stmt[STORE_COUNT])
		store_run_release(s, STORE_COUNT);
	/* unreached: a count that is none, or that the disk does not give */
	return rc == SQLITE_ROW ? SQLITE_OK : rc == SQLITE_DONE ? SQLITE_CORRUPT : rc;
}

enum store_result store_register(struct store *s, const struct store_new *n)
{
	enum store_result result = store_run_begin(s);
	bool too_many = false;

	if (result != STORE_OK)
		return result;
	int rc = store_run(s, STORE_ADD,
	                   STORE_VALUES(STORE_TEXT(n->name), STORE_TEXT(n->hash), STORE_NUMBER(n->created_us)));
	if (rc == SQLITE_OK && sqlite3_changes(s->file.db) == 0)
		return store_run_cancel(s, STORE_EXISTS);
	if (rc == SQLITE_OK)
		rc = count(s, n->accounts_max, &too_many);
	if (too_many)
		return store_run_cancel(s, STORE_TOO_MANY);
	if (rc == SQLITE_OK && n->token)
		rc = store_token_begin_family(s, n->name, n->token);
	return store_run_commit(s, rc);
}

enum store_result store_add(struct store *s, const char *name, const char *hash, int64_t created_us)
{
	return store_register(s, &(struct store_new){.name = name, .hash = hash, .created_us = created_us});
}

enum store_result store_set_hash(struct store *s, const char *name, const char *hash, const char *old_hash)
{
	enum store_result result = store_run_begin(s);

	if (result != STORE_OK)
		return result;
	if (old_hash)
		return finish(s,
		              store_run(s, STORE_REPLACE_HASH,
		                        STORE_VALUES(STORE_TEXT(hash), STORE_TEXT(name), STORE_TEXT(old_hash))),
		              STORE_ABSENT);
	int rc = store_run(s, STORE_REVOKE, STORE_VALUES(STORE_TEXT(name)));
	/* unreached: a disk that fails, which tests/fault/store_walk.c makes */
	if (rc == SQLITE_OK)
		rc = store_run(s, STORE_SET_HASH, STORE_VALUES(STORE_TEXT(hash), STORE_TEXT(name)));
	return finish(s, rc, STORE_ABSENT);
}

enum store_result store_set_disabled(struct store *s, const char *name, bool disabled)
{
	enum store_result result = store_run_begin(s);

	if (result != STORE_OK)
		return result;
	int rc = disabled ? store_run(s, STORE_REVOKE, STORE_VALUES(STORE_TEXT(name))) : SQLITE_OK;
	/* unreached: the same */
	if (rc == SQLITE_OK)
		rc = store_run(s, STORE_SET_DISABLED, STORE_VALUES(STORE_NUMBER(disabled), STORE_TEXT(name)));
	return finish(s, rc, STORE_ABSENT);
}

enum store_result store_remove(struct store *s, const char *name)
{
	enum store_result result = store_run_begin(s);

	if (result != STORE_OK)
		return result;
	return finish(s, store_run(s, STORE_REMOVE, STORE_VALUES(STORE_TEXT(name))), STORE_ABSENT);
}

static int stamp(struct store *s, const struct account_stamp *stamp)
{
	return store_run(s, STORE_STAMP,
	                 STORE_VALUES(STORE_NUMBER(stamp->logins), STORE_NUMBER(stamp->last_login_us),
	                              STORE_TEXT(stamp->last_address), STORE_NUMBER(stamp->failures_restart),
	                              STORE_NUMBER(stamp->failures), STORE_TEXT(stamp->name)));
}

enum store_result store_stamp(struct store *s, const struct account_stamp *stamps, size_t count)
{
	enum store_result result = count ? store_run_begin(s) : STORE_OK;

	if (result != STORE_OK || count == 0)
		return result;
	int rc = SQLITE_OK;
	for (size_t i = 0; i < count && rc == SQLITE_OK; i++)
		rc = stamp(s, &stamps[i]);
	return store_run_commit(s, rc);
}
