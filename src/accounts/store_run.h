/*
 * How the store runs its statements: prepared once, everything bound, all errors through one place. Only the store's
 * own files include this. Results named rc are SQLite's.
 */
#ifndef ACCOUNTS_STORE_RUN_H
#define ACCOUNTS_STORE_RUN_H

#include <sqlite3.h>

#include "store.h"
#include "store_file.h"

enum store_statement {
	STORE_BEGIN,
	STORE_COMMIT,
	STORE_ROLLBACK,
	STORE_FIND,
	STORE_EACH,
	STORE_ADD,
	STORE_COUNT,
	STORE_SET_HASH,
	STORE_REPLACE_HASH,
	STORE_SET_DISABLED,
	STORE_REMOVE,
	STORE_STAMP,
	STORE_FIND_TOKEN,
	STORE_NEXT_FAMILY,
	STORE_NEXT_SERIAL,
	STORE_ADD_TOKEN,
	STORE_USE_TOKEN,
	STORE_SPEND_OTHERS,
	STORE_DROP_OLD_TOKENS,
	STORE_DROP_OLD_FAMILIES,
	STORE_DROP_EXPIRED,
	STORE_COUNT_FAMILIES,
	STORE_REVOKE_FAMILY,
	STORE_REVOKE,
	STORE_STATEMENTS
};

struct store {
	struct store_file file;
	sqlite3_stmt *stmt[STORE_STATEMENTS]; /* NULL until first used */
};

/* What is bound to $1, $2, …, where it lies: a text, a blob of blob_len bytes, or else a number. */
struct store_value {
	const char *text;
	const void *blob;
	int blob_len;
	int64_t number;
};

#define STORE_TEXT(t)      ((struct store_value){.text = (t)})
#define STORE_BLOB(b, len) ((struct store_value){.blob = (b), .blob_len = (len)})
#define STORE_NUMBER(n)    ((struct store_value){.number = (n)})
/* The last two arguments of the calls below. */
#define STORE_VALUES(...)                                                                                              \
	(const struct store_value[]){__VA_ARGS__}, array_size(((const struct store_value[]){__VA_ARGS__}))

/* Before every operation: the name must still stand for the file that is open, which is opened anew if not. */
enum store_result store_run_ready(struct store *) MUST_CHECK;
/* Opens the file and finds out whether the tables are as we know them. */
enum store_result store_run_open(struct store *) MUST_CHECK;
void store_run_finalize(struct store *);

/* Runs a statement that gives no rows. */
int store_run(struct store *, enum store_statement, const struct store_value *, size_t count) MUST_CHECK;
/* Its first row, SQLITE_ROW, which stands until store_run_release; SQLITE_DONE where there is none. */
int store_run_first(struct store *, enum store_statement, const struct store_value *, size_t count) MUST_CHECK;
void store_run_release(struct store *, enum store_statement);

/* store_run_ready, and a transaction that may write. */
enum store_result store_run_begin(struct store *) MUST_CHECK;
/* Commits, or, where rc is not SQLITE_OK, fails. Returns STORE_OK or why not. */
enum store_result store_run_commit(struct store *, int rc) MUST_CHECK;
/* Takes the transaction back, because of otherwise, which is returned. */
enum store_result store_run_cancel(struct store *, enum store_result otherwise) MUST_CHECK;
/* Ends an operation that SQLite refused with rc. */
enum store_result store_run_fail(struct store *, int rc, enum store_file_doing) MUST_CHECK;

/* The account whose columns stand first in the row; SQLITE_CORRUPT where no program of ours wrote it.
 */
int store_run_account(sqlite3_stmt *, struct account *out) MUST_CHECK;
/* STORE_FIND into out. SQLITE_ROW, SQLITE_DONE where there is none, or an error. */
int store_run_find(struct store *, const char *name, struct account *out) MUST_CHECK;

#endif
