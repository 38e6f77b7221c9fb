#include "store_schema.h"

#include <assert.h>
#include <stdbool.h>

#include "name.h"
#include "password.h"
#include "store.h"
#include "token.h"

#define TEXT_OF(x)  TEXT_OF_(x)
#define TEXT_OF_(x) #x

static_assert(PASSWORD_HASH_MAX == 128, "the schema's check of hash says 127");
static_assert(NAME_CHARS_MAX == 64 && STORE_ADDRESS_MAX == 80 && TOKEN_DIGEST_BYTES == 32, "the checks say so");
static_assert(STORE_SCHEMA_VERSION == 2, "upgrade begins at 1");

/*
 * SQLite's length() counts characters up to the first NUL, so these checks keep honest programs honest; a hostile file
 * is dealt with where rows are read.
 */
#define ACCOUNT                                                                                                        \
	"CREATE TABLE account ("                                                                                       \
	" name TEXT PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),"                                                \
	" hash TEXT NOT NULL CHECK (length(hash) BETWEEN 1 AND 127),"                                                  \
	" created_us INTEGER NOT NULL CHECK (created_us >= 0),"                                                        \
	" last_login_us INTEGER NOT NULL DEFAULT 0 CHECK (last_login_us >= 0),"                                        \
	" last_address TEXT NOT NULL DEFAULT '' CHECK (length(last_address) < 80),"                                    \
	" logins INTEGER NOT NULL DEFAULT 0 CHECK (logins >= 0),"                                                      \
	" failures INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),"                                                  \
	" disabled INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1))"                                              \
	") STRICT, WITHOUT ROWID;"

/*
 * A token by its digest; family and serial count from 1, within the account and within the family. state: 0 fresh, 1
 * its family's current one, 2 spent (store_token.h). The triggers keep the number of accounts whoever writes.
 */
#define TOKEN                                                                                                          \
	"CREATE TABLE token ("                                                                                         \
	" digest BLOB PRIMARY KEY CHECK (length(digest) = 32),"                                                        \
	" account TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,"                                          \
	" family INTEGER NOT NULL CHECK (family > 0),"                                                                 \
	" serial INTEGER NOT NULL CHECK (serial > 0),"                                                                 \
	" state INTEGER NOT NULL CHECK (state IN (0, 1, 2)),"                                                          \
	" issued_us INTEGER NOT NULL,"                                                                                 \
	" expires_us INTEGER NOT NULL CHECK (expires_us > issued_us)"                                                  \
	") STRICT, WITHOUT ROWID;"                                                                                     \
	"CREATE UNIQUE INDEX token_of_account ON token (account, family, serial);"                                     \
	"CREATE INDEX token_by_end ON token (expires_us);"                                                             \
	"CREATE TABLE tally ("                                                                                         \
	" id INTEGER PRIMARY KEY CHECK (id = 1),"                                                                      \
	" accounts INTEGER NOT NULL CHECK (accounts >= 0)"                                                             \
	") STRICT;"                                                                                                    \
	"INSERT INTO tally (id, accounts) SELECT 1, count(*) FROM account;"                                            \
	"CREATE TRIGGER account_added AFTER INSERT ON account BEGIN UPDATE tally SET accounts = accounts + 1; END;"    \
	"CREATE TRIGGER account_removed AFTER DELETE ON account BEGIN UPDATE tally SET accounts = accounts - 1; END;"

#define VERSION "PRAGMA user_version = " TEXT_OF(STORE_SCHEMA_VERSION) ";"

const char *store_schema_sql(void)
{
	return ACCOUNT TOKEN "PRAGMA application_id = " TEXT_OF(STORE_APPLICATION_ID) ";" VERSION;
}

static int read_version(void *arg, int columns, char **values, char **names)
{
	(void)columns;
	(void)names;
	/* unreached: a version that is none */
	*(bool *)arg = values[0] && values[0][0] == '1' && !values[0][1];
	return 0;
}

int store_schema_upgrade(sqlite3 *db)
{
	bool is_first = false;
	int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

	/* unreached: a lock that another process keeps */
	if (rc != SQLITE_OK)
		return rc;
	rc = sqlite3_exec(db, "PRAGMA user_version", read_version, &is_first, NULL);
	if (rc == SQLITE_OK && is_first) /* unreached: another process has done it meanwhile */
		rc = sqlite3_exec(db, TOKEN VERSION, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	return rc;
}
