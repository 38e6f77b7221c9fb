/* The accounts' file: opened only when it is sound and ours, and what SQLite says of it put into sentences. */
#ifndef ACCOUNTS_STORE_FILE_H
#define ACCOUNTS_STORE_FILE_H

#include <sqlite3.h>
#include <sys/types.h>

#include "store.h"

/* Which file a name stands for. */
struct store_file_id {
	dev_t dev;
	ino_t ino;
};

/* What could not be done with the accounts. */
enum store_file_doing { STORE_FILE_OPEN, STORE_FILE_REACH, STORE_FILE_UPGRADE, STORE_FILE_READ, STORE_FILE_CHANGE };

struct store_file {
	char *path;  /* absolute: a bare name could mean a URI to SQLite, and would mean another file after chdir */
	sqlite3 *db; /* NULL while closed */
	int fd;      /* the file as a place (O_PATH): SQLite does not tell its own; -1 while closed */
	struct store_file_id id, log_id; /* of the file, and of its write-ahead log */
	bool was_checked;  /* the next opening leaves the long check out, as of a file that this process has just opened
	                    */
	bool was_upgraded; /* until store_was_upgraded is asked */
	char why[STORE_WHY_MAX];
};

/* Opens the existing file, checks it, and brings it to this version's schema. STORE_OK, or STORE_BUSY or
 * STORE_UNAVAILABLE with why set and db NULL. */
enum store_result store_file_open(struct store_file *) MUST_CHECK;
/* All statements must be finalised. Harmless when closed. */
void store_file_close(struct store_file *);

enum store_file_state {
	STORE_FILE_SAME,
	STORE_FILE_OTHER,  /* the name stands for another file, or none is open */
	STORE_FILE_GONE,   /* the name stands for nothing; why is set */
	STORE_FILE_BARRED, /* it cannot be told; why is set */
};
/* What the name stands for now, compared with what was opened. */
enum store_file_state store_file_look(struct store_file *) MUST_CHECK;
/*
 * After STORE_FILE_OTHER or _GONE; all statements must be finalised. Writes the log back into the file that is open,
 * and closes it and removes the log, which SQLite would otherwise play into whatever file comes next under the name. A
 * file that was only moved, with none in its place, stays open, so that it can come back.
 */
void store_file_part(struct store_file *);

/* Puts SQLite's result rc, which came of doing so, into a sentence in why. STORE_BUSY or
 * STORE_UNAVAILABLE. */
enum store_result store_file_explain(struct store_file *, int rc, enum store_file_doing);

#endif
