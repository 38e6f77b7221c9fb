/* The store as a file among files: what is not ours, corrupt, gone, replaced, read-only or full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store_fixture.h"

static void what_is_not_ours_is_refused_and_left_alone(void **state)
{
	struct place *p = *state;
	char text[5000];
	struct store *s;

	put_content(p->path, "", 0);
	refuses_and_leaves_alone(p, "empty");
	put_content(p->path, "anna:secret\n", 12);
	refuses_and_leaves_alone(p, "no SQLite database");
	memset(text, 'x', sizeof(text));
	put_content(p->path, text, sizeof(text));
	refuses_and_leaves_alone(p, "no SQLite database");
	unlink(p->path);
	run_sql(p->path, "CREATE TABLE account (name TEXT); INSERT INTO account VALUES ('x')");
	refuses_and_leaves_alone(p, "another program");
	unlink(p->path);
	s = open_at(p, p->path);
	store_close(s);
	run_sql(p->path, "PRAGMA user_version = 3");
	refuses_and_leaves_alone(p, "newer");
	run_sql(p->path, "PRAGMA user_version = 1; DROP TABLE account; DROP TABLE token; DROP TABLE tally");
	refuses_and_leaves_alone(p, "no such table");
}

static void a_newer_version_is_seen_in_the_log_too(void **state)
{
	struct place *p = *state;
	sqlite3 *db;

	store_close(open_at(p, p->path));
	assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 3", NULL, NULL, NULL), SQLITE_OK);
	refuses_to_open(p, p->path, "newer");
	sqlite3_close(db);
}

static void a_corrupt_file_is_refused_and_left_alone(void **state)
{
	struct place *p = *state;
	struct store *s = open_at(p, p->path);
	size_t len;

	for (int i = 0; i < 200; i++) {
		char name[16];
		snprintf(name, sizeof(name), "u%d", i);
		assert_int_equal(store_add(s, name, "0123456789012345678901234567890123456789", 1), STORE_OK);
	}
	store_close(s);
	char *bytes = content_of(p->path, &len);
	assert_true(len > 3 * 4096);
	memset(bytes + 2 * 4096, 0xa5, 64);
	put_content(p->path, bytes, len);
	refuses_and_leaves_alone(p, "damaged");
	put_content(p->path, bytes, len / 2); /* cut short */
	refuses_and_leaves_alone(p, "damaged");
	free(bytes);
}

/* Whatever byte is changed: a result, no crash, and no account that was not there. */
static void flipped_bytes_never_crash(void **state)
{
	struct place *p = *state;
	struct store *s = open_at(p, p->path);
	struct account a;
	size_t len;
	bool created;

	assert_int_equal(store_add(s, "anna", "hash", 1), STORE_OK);
	store_close(s);
	char *bytes = content_of(p->path, &len);
	for (size_t at = 0; at < len; at += at < 128 || at > len - 160 ? 1 : 37) {
		bytes[at] = (char)(bytes[at] ^ 0x55);
		put_content(p->path, bytes, len);
		if (store_open(&s, p->path, STORE_MUST_EXIST, &created, p->why) == STORE_OK) {
			(void)!store_find(s, "anna", &a);
			assert_int_not_equal(store_find(s, "bob", &a), STORE_OK);
			store_close(s);
		}
		bytes[at] = (char)(bytes[at] ^ 0x55);
	}
	free(bytes);
}

static void a_removed_file_is_told_and_not_made_anew(void **state)
{
	struct place *p = *state;
	struct store *s = open_at(p, p->path), *again;
	struct account a;
	bool created;

	assert_int_equal(store_add(s, "anna", "h", 1), STORE_OK);
	unlink(p->path);
	refuses_to_open(p, p->path, "log of an earlier one"); /* which is not played into a new file */
	assert_int_equal(store_find(s, "anna", &a), STORE_UNAVAILABLE);
	assert_non_null(strstr(store_why(s), "gone"));
	assert_int_equal(store_add(s, "bob", "h", 1), STORE_UNAVAILABLE);
	assert_int_equal(store_set_hash(s, "anna", "h", NULL), STORE_UNAVAILABLE);
	assert_int_equal(store_set_disabled(s, "anna", true), STORE_UNAVAILABLE);
	assert_int_equal(store_remove(s, "anna"), STORE_UNAVAILABLE);
	assert_int_equal(store_stamp(s, &(struct account_stamp){.name = "anna"}, 1), STORE_UNAVAILABLE);
	assert_int_equal(count_files(p->folder), 0); /* the log has gone too */
	assert_int_equal(store_open(&again, p->path, STORE_MAY_CREATE, &created, p->why), STORE_OK);
	assert_true(created);
	assert_int_equal(store_find(again, "anna", &a), STORE_ABSENT);
	assert_int_equal(store_add(again, "carl", "h", 1), STORE_OK);
	assert_int_equal(store_find(s, "carl", &a), STORE_OK); /* comes back by itself */
	store_close(again);
	store_close(s);
}

static void a_path_that_cannot_be_followed_is_told(void **state)
{
	struct place *p = *state;
	char folder[sizeof(p->path)], path[sizeof(p->path) + 16];
	struct account a;
	struct store *again;
	bool created;

	snprintf(folder, sizeof(folder), "%.250s/sub", p->folder);
	snprintf(path, sizeof(path), "%s/cli_info", folder);
	struct store *s = open_at(p, path);
	assert_int_equal(store_add(s, "anna", "h", 1), STORE_OK);
	assert_int_equal(rename(folder, p->other), 0);
	put_content(folder, "", 0);
	assert_int_equal(store_find(s, "anna", &a), STORE_UNAVAILABLE);
	assert_non_null(strstr(store_why(s), "Not a directory"));
	assert_int_equal(store_open(&again, path, STORE_MUST_EXIST, &created, p->why), STORE_UNAVAILABLE);
	assert_non_null(strstr(p->why, "Not a directory"));
	refuses_to_open(p, path, "Not a directory");
	unlink(folder);
	assert_int_equal(rename(p->other, folder), 0);
	assert_int_equal(store_find(s, "anna", &a), STORE_OK);
	store_close(s);
}

static void a_relative_path_is_the_current_folder_s(void **state)
{
	struct place *p = *state;
	char before[4096];

	assert_non_null(getcwd(before, sizeof(before)));
	assert_int_equal(chdir(p->folder), 0);
	struct store *s = open_at(p, "cli_info");
	assert_int_equal(chdir(before), 0);
	assert_int_equal(store_add(s, "anna", "h", 1), STORE_OK);
	assert_int_equal(access(p->path, F_OK), 0);
	store_close(s);
	refuses_to_open(p, "sqlite:", "names no file");
	refuses_to_open(p, "sqlite:folder/", "names no file");
	refuses_to_open(p, "postgres://host", "names no file");
}

/* Of a batch of stamps all are written, or none: here the second is more than the schema takes. */
static void a_stamp_that_is_refused_takes_its_batch_along(void **state)
{
	const struct account_stamp stamps[] = {
	    {.name = "anna", .logins = 1}, {.name = "anna", .failures = -100}, {.name = "anna", .logins = 1}};
	struct place *p = *state;
	struct store *s = open_at(p, p->path);
	struct account a;

	assert_int_equal(store_add(s, "anna", "h", 1), STORE_OK);
	assert_int_equal(store_stamp(s, stamps, 3), STORE_UNAVAILABLE);
	assert_non_null(strstr(store_why(s), "nothing was written"));
	assert_int_equal(store_find(s, "anna", &a), STORE_OK);
	assert_int_equal(a.logins, 0);
	assert_int_equal(store_stamp(s, stamps, 1), STORE_OK);
	store_close(s);
}

static void a_moved_file_keeps_all_and_may_come_back(void **state)
{
	struct place *p = *state;
	struct store *s = open_at(p, p->path), *two = open_at(p, p->path);
	struct account a;
	bool created;

	assert_int_equal(store_add(s, "anna", "h", 1), STORE_OK);
	assert_int_equal(rename(p->path, p->other), 0);
	assert_int_equal(store_find(s, "anna", &a), STORE_UNAVAILABLE);
	struct store *moved;
	assert_int_equal(store_open(&moved, p->other, STORE_MUST_EXIST, &created, p->why), STORE_OK);
	assert_int_equal(store_find(moved, "anna", &a), STORE_OK); /* the log was written back */
	store_close(moved);
	assert_int_equal(rename(p->other, p->path), 0);
	assert_int_equal(store_find(s, "anna", &a), STORE_OK);
	assert_int_equal(store_add(two, "bob", "h", 1), STORE_OK);
	assert_int_equal(store_find(s, "bob", &a), STORE_OK);
	store_close(s);
	store_close(two);
}

static void a_replaced_file_is_opened(void **state)
{
	struct place *p = *state;
	struct store *other = open_at(p, p->other), *s = open_at(p, p->path);
	struct account a;

	assert_int_equal(store_add(other, "otto", "h", 1), STORE_OK);
	store_close(other);
	for (int i = 0; i < 20; i++) {
		char name[16];
		snprintf(name, sizeof(name), "u%d", i);
		assert_int_equal(store_add(s, name, "h", 1), STORE_OK);
	}
	assert_int_equal(rename(p->other, p->path), 0);
	assert_int_equal(store_find(s, "otto", &a), STORE_OK);
	assert_int_equal(store_find(s, "u1", &a), STORE_ABSENT); /* the old log was not played into it */
	assert_int_equal(store_add(s, "otto", "h", 1), STORE_EXISTS);
	put_content(p->other, "rubbish", 7);
	assert_int_equal(rename(p->other, p->path), 0);
	assert_int_equal(store_find(s, "otto", &a), STORE_UNAVAILABLE);
	unlink(p->path);
	assert_int_equal(store_find(s, "otto", &a), STORE_UNAVAILABLE);
	store_close(s);
}

/* A copy by VACUUM INTO has no write-ahead log set; it is given one. */
static void a_copy_is_as_good(void **state)
{
	struct place *p = *state;
	struct store *s = open_at(p, p->path);
	struct account a;
	char sql[400], log[310];

	assert_int_equal(store_add(s, "anna", "h", 1), STORE_OK);
	store_close(s);
	snprintf(sql, sizeof(sql), "VACUUM INTO '%s'", p->other);
	run_sql(p->path, sql);
	s = open_at(p, p->other);
	assert_int_equal(store_find(s, "anna", &a), STORE_OK);
	snprintf(log, sizeof(log), "%s-wal", p->other);
	assert_int_equal(access(log, F_OK), 0);
	store_close(s);
}

/* As a user who may read the file but not write it. Returns the child's verdict. */
static int open_as_nobody(struct place *p)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct store *s;
		bool created;
		if (setgid(65534) || setuid(65534))
			_exit(9);
		enum store_result result = store_open(&s, p->path, STORE_MAY_CREATE, &created, p->why);
		_exit(result == STORE_UNAVAILABLE && (strstr(p->why, "read-only") || strstr(p->why, "Permission")) ? 0
		                                                                                                   : 1);
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void a_read_only_file_is_refused(void **state)
{
	struct place *p = *state;

	if (geteuid() != 0)
		skip();
	store_close(open_at(p, p->path));
	chmod(p->folder, 0777);
	chmod(p->path, 0644);
	assert_int_equal(open_as_nobody(p), 0);
	chmod(p->path, 0600);
	assert_int_equal(open_as_nobody(p), 0);
	chmod(p->folder, 0700);
	assert_int_equal(open_as_nobody(p), 0);
}

/* Fills what is left of the disk that holds the folder. */
static void fill_disk(const char *path)
{
	char block[4096] = {1};
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);

	while (write(fd, block, sizeof(block)) > 0)
		continue;
	close(fd);
}

static void a_full_disk_is_told_and_forgotten(void **state)
{
	struct place *p = *state;
	struct account a;
	char name[16];
	int added = 0;

	if (mount("none", p->folder, "tmpfs", 0, "size=256k"))
		skip();
	struct store *s = open_at(p, p->path), *none;
	bool created;
	assert_int_equal(store_add(s, "anna", "h", 1), STORE_OK);
	fill_disk(p->other);
	enum store_result result = STORE_OK;
	for (; result == STORE_OK && added < 1000; added++) {
		snprintf(name, sizeof(name), "u%d", added);
		result = store_add(s, name, "0123456789012345678901234567890123456789", 1);
	}
	assert_int_equal(result, STORE_UNAVAILABLE);
	assert_non_null(strstr(store_why(s), "full"));
	assert_int_equal(store_find(s, name, &a), STORE_ABSENT); /* nothing half-written, and reading goes on */
	assert_int_equal(store_find(s, "anna", &a), STORE_OK);
	char elsewhere[320];
	snprintf(elsewhere, sizeof(elsewhere), "%s/new", p->folder);
	assert_int_equal(store_open(&none, elsewhere, STORE_MAY_CREATE, &created, p->why), STORE_UNAVAILABLE);
	assert_int_equal(access(elsewhere, F_OK), -1);
	unlink(p->other);
	assert_int_equal(store_add(s, name, "h", 1), STORE_OK);
	store_close(s);
	assert_int_equal(count_files(p->folder), 1);
	umount(p->folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    ON_FILES(what_is_not_ours_is_refused_and_left_alone),
	    ON_FILES(a_newer_version_is_seen_in_the_log_too),
	    ON_FILES(a_corrupt_file_is_refused_and_left_alone),
	    ON_FILES(flipped_bytes_never_crash),
	    ON_FILES(a_removed_file_is_told_and_not_made_anew),
	    ON_FILES(a_path_that_cannot_be_followed_is_told),
	    ON_FILES(a_relative_path_is_the_current_folder_s),
	    ON_FILES(a_stamp_that_is_refused_takes_its_batch_along),
	    ON_FILES(a_moved_file_keeps_all_and_may_come_back),
	    ON_FILES(a_replaced_file_is_opened),
	    ON_FILES(a_copy_is_as_good),
	    ON_FILES(a_read_only_file_is_refused),
	    ON_FILES(a_full_disk_is_told_and_forgotten),
	};

	if (password_init())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
