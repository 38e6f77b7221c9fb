#include "store_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_schema.h"
#include "text.h"
#include "words.h"

/* Of SQLite's file format (sqlite.org/fileformat2.html, 1.3). */
#define HEADER_BYTES          100
#define HEADER_MAGIC          "SQLite format 3" /* with its NUL */
#define HEADER_USER_VERSION   60
#define HEADER_APPLICATION_ID 68

static const char *const sentences[] = {
    [STORE_FILE_OPEN] = N_("Cannot open the accounts in %.200s: %s"),
    [STORE_FILE_REACH] = N_("Cannot reach the accounts in %.200s: %s"),
    [STORE_FILE_UPGRADE] = N_("Cannot upgrade the accounts in %.200s: %s"),
    [STORE_FILE_READ] = N_("Cannot read the accounts in %.200s: %s"),
    [STORE_FILE_CHANGE] = N_("Cannot change the accounts in %.200s: %s"),
};

/* fmt: a clause, and another with what to do. */
static enum store_result PRINTF_LIKE(3, 4)
    refuse(struct store_file *f, enum store_file_doing doing, const char *fmt, ...)
{
	char clauses[STORE_WHY_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(clauses, sizeof(clauses), fmt, args);
	va_end(args);
	snprintf(f->why, sizeof(f->why), _(sentences[doing]), f->path, clauses);
	return STORE_UNAVAILABLE;
}

enum store_result store_file_explain(struct store_file *f, int rc, enum store_file_doing doing)
{
	int sys = f->db ? sqlite3_system_errno(f->db) : 0;
	const char *cause = sys ? words_error(sys) : sqlite3_errstr(rc);

	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
		refuse(f, doing,
		       _("another process has kept them locked for %d s; try again, or see who has the file open."),
		       STORE_BUSY_MS / 1000);
		return STORE_BUSY;
	case SQLITE_FULL: return refuse(f, doing, _("the disk is full; free some space."));
	case SQLITE_NOMEM: return refuse(f, doing, _("memory is out; free some."));
	case SQLITE_CORRUPT:
		return refuse(f, doing, _("the file is damaged; restore it from a copy, or move it away."));
	case SQLITE_NOTADB:
		return refuse(f, doing, _("the file is no SQLite database; name another one, or move this one away."));
	case SQLITE_READONLY:
		return refuse(f, doing, _("they are read-only; let this user write the file and its folder."));
	case SQLITE_CANTOPEN:
		return refuse(f, doing, _("%s; check that this user may read and write the file and its folder."),
		              cause);
	case SQLITE_IOERR: return refuse(f, doing, _("%s; check the disk that holds them."), cause);
	case SQLITE_CONSTRAINT: return refuse(f, doing, _("%.120s; nothing was written."), sqlite3_errmsg(f->db));
	default:
		return refuse(f, doing, _("%.120s; restore the file from a copy, or move it away."),
		              /* unreached: without a handle SQLite says NOMEM */
		              f->db ? sqlite3_errmsg(f->db) : cause);
	}
}

static bool look_up(const char *path, const char *tail, struct store_file_id *id)
{
	struct stat st;
	char *name = NULL;

	if (asprintf(&name, "%s%s", path, tail) < 0)
		return false;
	int err = stat(name, &st);
	free(name);
	if (err)
		return false;
	*id = (struct store_file_id){.dev = st.st_dev, .ino = st.st_ino};
	return true;
}

static bool is_same(const struct store_file_id *a, const struct store_file_id *b)
{
	/* unreached: two files of one number, on two file systems, under one name */
	return a->dev == b->dev && a->ino == b->ino;
}

static enum store_result look_before_open(struct store_file *f)
{
	struct stat st;

	/* Not opened as a file: closing one drops the locks of every handle in this process (POSIX's fcntl). */
	f->fd = open(f->path, O_PATH | O_CLOEXEC);
	if (f->fd < 0 && errno == ENOENT)
		return refuse(f, STORE_FILE_OPEN,
		              _("there is no such file; put it back, or make a new one with 'echoctl user add'."));
	/* unreached: a path that may not be looked at, which tests/full/test_faults.py has */
	if (f->fd < 0 || fstat(f->fd, &st) < 0)
		return refuse(f, STORE_FILE_OPEN, _("%s; check the path and that this user may enter its folders."),
		              words_error(errno));
	if (!S_ISREG(st.st_mode))
		return refuse(f, STORE_FILE_OPEN, _("that is not a file; name another one."));
	if (st.st_size == 0) /* SQLite would take it for a new database, and somebody's accounts may have been there */
		return refuse(f, STORE_FILE_OPEN,
		              _("the file is empty; restore it from a copy, or remove it to begin anew."));
	f->id = (struct store_file_id){.dev = st.st_dev, .ino = st.st_ino};
	return STORE_OK;
}

static uint32_t big_endian(const uint8_t *b)
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/*
 * Looks at the file's first bytes before SQLite does, which might roll back or write back what is not ours. Through
 * SQLite's own descriptor, because closing another one would drop the locks of every handle in this process (POSIX's
 * fcntl).
 */
static enum store_result check_header(struct store_file *f)
{
	uint8_t header[HEADER_BYTES];
	sqlite3_file *file = NULL;
	int rc = sqlite3_file_control(f->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);

	if (rc == SQLITE_OK) /* unreached: each open file has its pointer */
		rc = file->pMethods->xRead(file, header, sizeof(header), 0);
	if (rc == SQLITE_IOERR_SHORT_READ)
		rc = SQLITE_NOTADB;
	if (rc != SQLITE_OK)
		return store_file_explain(f, rc, STORE_FILE_OPEN);
	if (memcmp(header, HEADER_MAGIC, sizeof(HEADER_MAGIC)) != 0)
		return store_file_explain(f, SQLITE_NOTADB, STORE_FILE_OPEN);
	if (big_endian(header + HEADER_APPLICATION_ID) != STORE_APPLICATION_ID)
		return refuse(f, STORE_FILE_OPEN, _("it is another program's database; name another file."));
	if (big_endian(header + HEADER_USER_VERSION) > STORE_SCHEMA_VERSION)
		return refuse(f, STORE_FILE_OPEN, _("a newer echod made the file; install that version."));
	return STORE_OK;
}

/* The first column of the first row that sql gives, as text. Returns SQLite's result. */
static int ask(sqlite3 *db, const char *sql, char *answer, size_t cap)
{
	sqlite3_stmt *stmt;
	int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	answer[0] = '\0';
	if (rc != SQLITE_OK)
		return rc;
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		const char *text = (const char *)sqlite3_column_text(stmt, 0);
		snprintf(answer, cap, "%s", text ? text : "");
		rc = SQLITE_OK;
	}
	int end = sqlite3_finalize(stmt);
	/* unreached: each PRAGMA that is asked gives a row */
	return rc == SQLITE_DONE || rc == SQLITE_OK ? end : rc;
}

/* Sound, ours and writable, but of an older version. */
static enum store_result upgrade(struct store_file *f)
{
	int rc = store_schema_upgrade(f->db);

	if (rc != SQLITE_OK)
		return store_file_explain(f, rc, STORE_FILE_UPGRADE);
	f->was_upgraded = true;
	return STORE_OK;
}

static enum store_result check_content(struct store_file *f)
{
	static const char settings[] =
	    "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;"
	    "PRAGMA cell_size_check = ON;";
	char answer[128];
	int rc = sqlite3_exec(f->db, settings, NULL, NULL, NULL);

	if (rc == SQLITE_OK)
		rc = ask(f->db, "PRAGMA user_version", answer, sizeof(answer));
	if (rc != SQLITE_OK)
		return store_file_explain(f, rc, STORE_FILE_OPEN);
	bool is_old = strcmp(answer, "1") == 0; /* the header may be behind the log */
	if (!is_old && strcmp(answer, "2") != 0)
		return refuse(
		    f, STORE_FILE_OPEN,
		    _("its schema is of version %.20s, and this program knows 1 and 2; install a newer echod."),
		    answer);
	if (sqlite3_db_readonly(f->db, "main"))
		return store_file_explain(f, SQLITE_READONLY, STORE_FILE_OPEN);
	if (f->was_checked)
		text_copy(answer, sizeof(answer), "ok");
	else
		rc = ask(f->db, "PRAGMA quick_check(1)", answer, sizeof(answer));
	f->was_checked = false;
	if (rc == SQLITE_OK && strcmp(answer, "ok") != 0)
		rc = SQLITE_CORRUPT;
	if (rc == SQLITE_OK) /* a copy made by VACUUM INTO has lost it */
		rc = ask(f->db, "PRAGMA journal_mode = WAL", answer, sizeof(answer));
	if (rc != SQLITE_OK)
		return store_file_explain(f, rc, STORE_FILE_OPEN);
	/* unreached: no file system of the tests lacks shared memory */
	if (strcmp(answer, "wal") != 0)
		return refuse(f, STORE_FILE_OPEN,
		              _("no write-ahead log is to be had there; put the file on a local disk."));
	return is_old ? upgrade(f) : STORE_OK;
}

static_assert(STORE_SCHEMA_VERSION == 2, "check_content says 2");

enum store_result store_file_open(struct store_file *f)
{
	enum store_result result = look_before_open(f);

	if (result != STORE_OK) {
		store_file_close(f);
		return result;
	}
	int rc =
	    sqlite3_open_v2(f->path, &f->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_busy_timeout(f->db, STORE_BUSY_MS);
	result = rc == SQLITE_OK ? check_header(f) : store_file_explain(f, rc, STORE_FILE_OPEN);
	if (result == STORE_OK)
		result = check_content(f);
	f->log_id = (struct store_file_id){0};
	if (result == STORE_OK)
		(void)look_up(f->path, "-wal", &f->log_id);
	else
		store_file_close(f);
	return result;
}

void store_file_close(struct store_file *f)
{
	sqlite3_close_v2(f->db);
	f->db = NULL;
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

static void unlink_beside(const struct store_file *f, const char *tail)
{
	char *name = NULL;

	/* unreached: want of memory, which tests/full/test_faults.py makes */
	if (asprintf(&name, "%s%s", f->path, tail) < 0)
		return;
	(void)unlink(name);
	free(name);
}

/* Whether the open file has no name left, rather than another one. */
static bool has_no_name(const struct store_file *f)
{
	struct stat st;

	/* unreached: an open file can be asked */
	return fstat(f->fd, &st) == 0 && st.st_nlink == 0;
}

/* Writes the log back into the file, whatever its name is now. */
static void empty_log(struct store_file *f)
{
	sqlite3_busy_timeout(f->db, 0);
	(void)sqlite3_wal_checkpoint_v2(f->db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	sqlite3_busy_timeout(f->db, STORE_BUSY_MS);
}

static void abandon(struct store_file *f)
{
	struct store_file_id now;

	empty_log(f);
	store_file_close(f);
	/* unreached: a log removed by hand, or made anew, within this call */
	if (look_up(f->path, "-wal", &now) && is_same(&now, &f->log_id)) { /* else another file's, made since */
		unlink_beside(f, "-wal");
		unlink_beside(f, "-shm");
	}
}

enum store_file_state store_file_look(struct store_file *f)
{
	struct stat st;

	if (stat(f->path, &st) < 0) {
		enum store_file_state state = errno == ENOENT ? STORE_FILE_GONE : STORE_FILE_BARRED;
		refuse(f, STORE_FILE_REACH, _("%s; put the file back, or make a new one with 'echoctl user add'."),
		       errno == ENOENT ? _("the file has gone") : words_error(errno));
		return state;
	}
	struct store_file_id now = {.dev = st.st_dev, .ino = st.st_ino};
	return f->db && is_same(&now, &f->id) ? STORE_FILE_SAME : STORE_FILE_OTHER;
}

void store_file_part(struct store_file *f)
{
	struct stat st;

	if (!f->db)
		return;
	if (stat(f->path, &st) < 0 && !has_no_name(f))
		empty_log(f); /* it was moved, and may come back, with others still at work on its log */
	else
		abandon(f);
}
