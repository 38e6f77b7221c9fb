#include "store_make.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_schema.h"
#include "words.h"

/* The folder that holds the absolute path; the caller's to free. */
static char *folder_of(const char *path)
{
	size_t len = (size_t)(strrchr(path, '/') - path);

	/* unreached: a file in the root folder, where tests make none */
	return strndup(path, len ? len : 1);
}

static int sync_path(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* A name lasts only when the folder that holds it is on the disk too. */
static int sync_folder_of(const char *path)
{
	char *folder = folder_of(path);

	if (!folder)
		return -ENOMEM;
	int err = sync_path(folder, O_RDONLY | O_DIRECTORY);
	free(folder);
	return err;
}

int store_make_folders(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		int err = 0;

		*slash = '\0';
		if (mkdir(path, 0700) == 0)
			err = sync_folder_of(path);
		/* unreached: folders that cannot be made, which tests/full/test_faults.py has */
		else if (errno != EEXIST && access(path, F_OK) < 0) /* a read-only file system says EROFS first */
			err = -errno;
		*slash = '/';
		if (err)
			return err;
	}
	return 0;
}

static int errno_of(sqlite3 *db, int rc)
{
	int sys = db ? sqlite3_system_errno(db) : 0;

	switch (rc & 0xff) {
	case SQLITE_OK: return 0;
	case SQLITE_FULL: return -ENOSPC;
	case SQLITE_NOMEM: return -ENOMEM;
	default: return sys ? -sys : -EIO;
	}
}

static int wants_wal(void *arg, int columns, char **values, char **names)
{
	(void)columns;
	(void)names;
	/* unreached: no file system of the tests lacks shared memory */
	*(bool *)arg = values[0] && strcmp(values[0], "wal") == 0;
	return 0;
}

/* Fills the empty file at path. No one else knows its name yet. */
static int fill(const char *path)
{
	bool wal = false;
	sqlite3 *db = NULL;
	int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "PRAGMA synchronous = FULL", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "PRAGMA journal_mode = WAL", wants_wal, &wal, NULL);
	if (rc == SQLITE_OK && wal) /* unreached: the same */
		rc = sqlite3_exec(db, store_schema_sql(), NULL, NULL, NULL);
	/* unreached: the same */
	if (rc == SQLITE_OK && wal) /* closing does it too, but does not say when it could not */
		rc = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	/* unreached: the same */
	int err = rc == SQLITE_OK && !wal ? -EOPNOTSUPP : errno_of(db, rc);
	sqlite3_close(db); /* removes the log: what is linked is one file */
	return err;
}

/* What SQLite leaves beside a file that it could not close well. */
static void unlink_with_log(const char *path)
{
	static const char *const tails[] = {"", "-wal", "-shm", "-journal"};

	for (size_t i = 0; i < array_size(tails); i++) {
		char *name = NULL;
		if (asprintf(&name, "%s%s", path, tails[i]) < 0)
			return;
		(void)unlink(name);
		free(name);
	}
}

/* Whether a log lies at path-wal. SQLite would play it into the new file, whatever database it came from. */
static bool has_log(const char *path)
{
	char *log = NULL;

	if (asprintf(&log, "%s-wal", path) < 0)
		return false;
	bool has = access(log, F_OK) == 0;
	free(log);
	return has;
}

/* Makes the whole file under the name temporary (a mkstemp template), then gives it its own name, if that is free. */
static int make_and_link(char *temporary, const char *path, bool *created)
{
	int fd = mkostemp(temporary, O_CLOEXEC); /* 0600 */

	if (fd < 0)
		return -errno;
	close(fd);
	int err = fill(temporary);
	if (!err)
		err = sync_path(temporary, O_RDONLY);
	if (!err && link(temporary, path) == 0)
		*created = true;
	else if (!err && errno != EEXIST) /* else somebody else made it meanwhile, as whole as ours */
		err = -errno;
	unlink_with_log(temporary);
	return err ? err : sync_folder_of(path);
}

static enum store_result unavailable(const char *path, int err, char why[STORE_WHY_MAX])
{
	snprintf(
	    why, STORE_WHY_MAX,
	    _("Cannot make the accounts' file %.300s: %s; check that its folder is on a local disk, has room and may "
	      "be written by this user."),
	    path, words_error(-err));
	return STORE_UNAVAILABLE;
}

enum store_result store_make(const char *path, bool *created, char why[STORE_WHY_MAX])
{
	const char *base = strrchr(path, '/') + 1;
	char *temporary = NULL;

	*created = false;
	if (asprintf(&temporary, "%s.new-XXXXXX", path) < 0)
		return unavailable(path, -ENOMEM, why);
	int err = store_make_folders(temporary);
	/* In this order: whoever made the log had linked the file before. */
	/* unreached: the file is linked by another process between two calls */
	if (!err && has_log(path) && access(path, F_OK) < 0) {
		free(temporary);
		snprintf(
		    why, STORE_WHY_MAX,
		    _("Cannot make the accounts' file %.200s: the log of an earlier one lies beside it and would get "
		      "into the new one; put that file back, or stop its servers and remove %.40s-wal and -shm."),
		    path, base);
		return STORE_UNAVAILABLE;
	}
	if (!err)
		err = make_and_link(temporary, path, created);
	free(temporary);
	return err ? unavailable(path, err, why) : STORE_OK;
}
