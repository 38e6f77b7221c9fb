#include "store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int set_up(void **state)
{
	const char *tmp = getenv("TMPDIR");
	struct place *p = calloc(1, sizeof(*p));

	snprintf(p->folder, sizeof(p->folder), "%.200s/test_accounts-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(p->folder))
		return -1;
	snprintf(p->path, sizeof(p->path), "%s/cli_info", p->folder);
	snprintf(p->other, sizeof(p->other), "%s/other", p->folder);
	*state = p;
	return 0;
}

int tear_down(void **state)
{
	struct place *p = *state;

	nftw(p->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(p);
	return 0;
}

struct store *open_at(struct place *p, const char *path)
{
	struct store *s;
	bool created;

	if (store_open(&s, path, STORE_MAY_CREATE, &created, p->why) != STORE_OK)
		fail_msg("%s", p->why);
	return s;
}

void refuses_to_open(struct place *p, const char *where, const char *word)
{
	struct store *s;
	bool created;

	assert_int_equal(store_open(&s, where, STORE_MAY_CREATE, &created, p->why), STORE_UNAVAILABLE);
	assert_null(s);
	assert_false(created);
	if (!strstr(p->why, word) || p->why[strlen(p->why) - 1] != '.' || strncmp(p->why, "Cannot ", 7) != 0)
		fail_msg("not a sentence with '%s': %s", word, p->why);
}

void run_sql(const char *path, const char *sql)
{
	sqlite3 *db;
	char *message = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s: %s", sql, message);
	sqlite3_close(db);
}

char *content_of(const char *path, size_t *len)
{
	FILE *in = fopen(path, "r");
	char *bytes = malloc(1 << 20);

	assert_non_null(in);
	*len = fread(bytes, 1, 1 << 20, in);
	fclose(in);
	return bytes;
}

void put_content(const char *path, const void *bytes, size_t len)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_int_equal(fwrite(bytes, 1, len, out), len);
	fclose(out);
}

/* Opening the file at p->path must fail and leave each of its bytes. */
void refuses_and_leaves_alone(struct place *p, const char *word)
{
	size_t before_len, after_len;
	char *before = content_of(p->path, &before_len);

	refuses_to_open(p, p->path, word);
	char *after = content_of(p->path, &after_len);
	assert_int_equal(before_len, after_len);
	assert_memory_equal(before, after, before_len);
	free(before);
	free(after);
}

int count_files(const char *folder)
{
	DIR *entries = opendir(folder);
	int n = 0;

	assert_non_null(entries);
	for (struct dirent *entry; (entry = readdir(entries));)
		n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	closedir(entries);
	return n;
}
