/* The accounts in their store. */
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
#include <unistd.h>

#include "store_fixture.h"

static void a_store_is_created_once_and_private(void **state)
{
	struct place *p = *state;
	struct store *s;
	struct stat st;
	bool created;
	char deep[400];

	snprintf(deep, sizeof(deep), "sqlite:%s/a/b/cli_info", p->folder);
	assert_int_equal(store_open(&s, deep, STORE_MUST_EXIST, &created, p->why), STORE_UNAVAILABLE);
	assert_false(created);
	assert_int_equal(count_files(p->folder), 0);
	assert_int_equal(store_open(&s, deep, STORE_MAY_CREATE, &created, p->why), STORE_OK);
	assert_true(created);
	store_close(s);
	assert_int_equal(stat(deep + 7, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	*strrchr(deep, '/') = '\0';
	assert_int_equal(count_files(deep + 7), 1); /* no temporary, no log */
	assert_int_equal(stat(deep + 7, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	deep[strlen(deep)] = '/';
	assert_int_equal(store_open(&s, deep, STORE_MAY_CREATE, &created, p->why), STORE_OK);
	assert_false(created);
	store_close(s);
	store_close(NULL);
}

static void the_name_of_a_store_is_checked(void **state)
{
	struct place *p = *state;

	refuses_to_open(p, "", "names no file");
	refuses_to_open(p, "sqlite:", "names no file");
	refuses_to_open(p, "postgresql://host/db", "names no file");
	refuses_to_open(p, p->folder, "not a file");
}

static void accounts_come_and_go(void **state)
{
	struct place *p = *state;
	struct store *s = open_at(p, p->path);
	struct account a;

	assert_int_equal(store_find(s, "анна", &a), STORE_ABSENT);
	assert_int_equal(store_add(s, "анна", "h1", 1234567), STORE_OK);
	assert_int_equal(store_add(s, "анна", "h2", 7654321), STORE_EXISTS);
	assert_int_equal(store_find(s, "анна", &a), STORE_OK);
	assert_string_equal(a.name, "анна");
	assert_string_equal(a.hash, "h1");
	assert_int_equal(a.created_us, 1234567);
	assert_int_equal(a.last_login_us, 0);
	assert_string_equal(a.last_address, "");
	assert_int_equal(a.logins + a.failures, 0);
	assert_false(a.disabled);
	assert_int_equal(store_set_disabled(s, "анна", true), STORE_OK);
	assert_int_equal(store_find(s, "анна", &a), STORE_OK);
	assert_true(a.disabled);
	assert_int_equal(store_set_disabled(s, "анна", false), STORE_OK);
	assert_int_equal(store_find(s, "анна", &a), STORE_OK);
	assert_false(a.disabled);
	assert_int_equal(store_set_disabled(s, "none", true), STORE_ABSENT);
	assert_int_equal(store_find(s, "Анна", &a), STORE_ABSENT); /* case matters */
	assert_int_equal(store_remove(s, "анна"), STORE_OK);
	assert_int_equal(store_remove(s, "анна"), STORE_ABSENT);
	assert_int_equal(store_find(s, "анна", &a), STORE_ABSENT);
	store_close(s);
}

static void a_hash_is_replaced_only_if_it_is_still_the_old_one(void **state)
{
	struct place *p = *state;
	struct store *s = open_at(p, p->path);
	struct account a;

	assert_int_equal(store_set_hash(s, "anna", "h2", NULL), STORE_ABSENT);
	assert_int_equal(store_add(s, "anna", "h1", 1), STORE_OK);
	assert_int_equal(store_add(s, "bob", "h1", 1), STORE_OK);
	assert_int_equal(store_set_hash(s, "anna", "h2", NULL), STORE_OK);
	assert_int_equal(store_set_hash(s, "anna", "h3", "h1"), STORE_ABSENT);
	assert_int_equal(store_set_hash(s, "anna", "h3", "h2"), STORE_OK);
	assert_int_equal(store_find(s, "anna", &a), STORE_OK);
	assert_string_equal(a.hash, "h3");
	assert_int_equal(store_find(s, "bob", &a), STORE_OK);
	assert_string_equal(a.hash, "h1");
	store_close(s);
}

static void stamps_add_up(void **state)
{
	struct place *p = *state;
	struct store *s = open_at(p, p->path);
	struct account a;
	struct account_stamp failed[] = {{.name = "anna", .failures = 3}, {.name = "gone", .failures = 1}};
	struct account_stamp login = {.name = "anna",
	                              .logins = 2,
	                              .last_login_us = 99,
	                              .last_address = "127.0.0.1:5",
	                              .failures = 1,
	                              .failures_restart = true};

	assert_int_equal(store_add(s, "anna", "h1", 1), STORE_OK);
	assert_int_equal(store_add(s, "bob", "h1", 1), STORE_OK);
	assert_int_equal(store_stamp(s, NULL, 0), STORE_OK);
	assert_int_equal(store_stamp(s, failed, 2), STORE_OK);
	assert_int_equal(store_stamp(s, failed, 1), STORE_OK);
	assert_int_equal(store_find(s, "anna", &a), STORE_OK);
	assert_int_equal(a.failures, 6);
	assert_int_equal(a.logins, 0);
	assert_int_equal(a.last_login_us, 0);
	assert_string_equal(a.last_address, "");
	assert_int_equal(store_stamp(s, &login, 1), STORE_OK);
	assert_int_equal(store_stamp(s, failed, 1), STORE_OK);
	assert_int_equal(store_find(s, "anna", &a), STORE_OK);
	assert_int_equal(a.failures, 4);
	assert_int_equal(a.logins, 2);
	assert_int_equal(a.last_login_us, 99);
	assert_string_equal(a.last_address, "127.0.0.1:5");
	assert_int_equal(store_find(s, "bob", &a), STORE_OK);
	assert_int_equal(a.failures + a.logins, 0);
	store_close(s);
}

struct list {
	char text[64];
	int left;
};

static int put_name(void *arg, const struct account *a)
{
	struct list *l = arg;

	size_t len = strlen(l->text);

	snprintf(l->text + len, sizeof(l->text) - len, "%s", a->name);
	return --l->left == 0;
}

static void each_goes_by_name_and_ends_when_told(void **state)
{
	struct place *p = *state;
	struct store *s = open_at(p, p->path);
	struct list all = {.left = 9}, two = {.left = 2};

	assert_int_equal(store_add(s, "c", "h", 1), STORE_OK);
	assert_int_equal(store_add(s, "a", "h", 1), STORE_OK);
	assert_int_equal(store_add(s, "b", "h", 1), STORE_OK);
	assert_int_equal(store_each(s, put_name, &all), STORE_OK);
	assert_string_equal(all.text, "abc");
	assert_int_equal(store_each(s, put_name, &two), STORE_OK);
	assert_string_equal(two.text, "ab");
	store_close(s);
}

static void two_handles_see_each_other(void **state)
{
	struct place *p = *state;
	struct store *one = open_at(p, p->path), *two = open_at(p, p->path);
	struct account a;

	for (int i = 0; i < 50; i++) {
		char name[16];
		snprintf(name, sizeof(name), "u%d", i);
		assert_int_equal(store_add(i % 2 ? one : two, name, "h", 1), STORE_OK);
		assert_int_equal(store_add(i % 2 ? two : one, name, "h", 1), STORE_EXISTS);
	}
	store_close(one);
	assert_int_equal(store_find(two, "u49", &a), STORE_OK);
	store_close(two);
}

static void *add_in_thread(void *arg)
{
	struct place *p = arg;
	char why[STORE_WHY_MAX];
	struct store *s;
	bool created;
	intptr_t won = 0;

	if (store_open(&s, p->path, STORE_MAY_CREATE, &created, why) != STORE_OK)
		return (void *)(intptr_t)-100000;
	for (int i = 0; i < 20; i++) {
		char name[16];
		snprintf(name, sizeof(name), "u%d", i);
		won += store_add(s, name, "h", 1) == STORE_OK;
	}
	store_close(s);
	return (void *)(won + (created ? 1000 : 0));
}

static void a_fresh_store_is_shared_by_many_at_once(void **state)
{
	pthread_t thread[6];
	intptr_t sum = 0;

	for (size_t i = 0; i < array_size(thread); i++)
		assert_int_equal(pthread_create(&thread[i], NULL, add_in_thread, *state), 0);
	for (size_t i = 0; i < array_size(thread); i++) {
		void *result;
		pthread_join(thread[i], &result);
		sum += (intptr_t)result;
	}
	assert_int_equal(sum, 1020); /* one made it, and each name was added once */
}

static int asked_us;

/* In place of SQLite's own: adds up what is asked for, so that a loaded machine does not count. */
static int note_sleep(sqlite3_vfs *vfs, int us)
{
	(void)vfs;
	asked_us += us;
	return us;
}

static void a_locked_store_is_busy_after_its_time(void **state)
{
	struct place *p = *state;
	struct store *s = open_at(p, p->path), *none;
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
	int (*sleep_really)(sqlite3_vfs *, int) = vfs->xSleep;
	struct account a;
	sqlite3 *db;
	bool created;

	assert_int_equal(store_add(s, "anna", "h", 1), STORE_OK);
	assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(store_find(s, "anna", &a), STORE_OK); /* readers go on */
	asked_us = 0;
	vfs->xSleep = note_sleep;
	enum store_result result = store_add(s, "bob", "h", 1);
	vfs->xSleep = sleep_really;
	assert_int_equal(result, STORE_BUSY);
	assert_int_equal(asked_us, STORE_BUSY_MS * 1000);
	assert_non_null(strstr(store_why(s), "locked"));
	assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(store_add(s, "bob", "h", 1), STORE_OK);
	store_close(s);
	assert_int_equal(sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE", NULL, NULL, NULL),
	                 SQLITE_OK);
	assert_int_equal(store_open(&none, p->path, STORE_MUST_EXIST, &created, p->why), STORE_BUSY);
	assert_non_null(strstr(p->why, "locked"));
	sqlite3_close(db);
}

static void hostile_rows_do_not_overflow(void **state)
{
	static const char *const hostile[] = {
	    "UPDATE account SET hash = hex(zeroblob(5000))", "UPDATE account SET hash = 'h' || char(0) || 'x'",
	    "UPDATE account SET last_address = hex(zeroblob(5000))",
	    "UPDATE account SET last_address = hex(zeroblob(40))", /* 80 bytes: one too many */
	};
	struct place *p = *state;

	for (size_t i = 0; i < array_size(hostile); i++) {
		struct store *s = open_at(p, p->path);
		struct account a;
		struct list all = {.left = 9};
		char sql[200];
		snprintf(sql, sizeof(sql), "PRAGMA ignore_check_constraints = ON; %s", hostile[i]);
		assert_int_not_equal(store_add(s, "anna", "h", 1), STORE_UNAVAILABLE);
		run_sql(p->path, sql);
		assert_int_equal(store_find(s, "anna", &a), STORE_UNAVAILABLE);
		assert_int_equal(store_each(s, put_name, &all), STORE_UNAVAILABLE);
		store_close(s);
		run_sql(p->path, "DELETE FROM account");
	}
}

static void huge_names_in_rows_do_not_overflow(void **state)
{
	struct place *p = *state;
	struct store *s = open_at(p, p->path);
	struct list all = {.left = 9};

	run_sql(p->path, "PRAGMA ignore_check_constraints = ON;"
	                 "INSERT INTO account (name, hash, created_us) VALUES (hex(zeroblob(129)), 'h', 1)");
	assert_int_equal(store_each(s, put_name, &all), STORE_UNAVAILABLE);
	assert_int_equal(store_add(s, "anna", "", 1), STORE_UNAVAILABLE); /* our own nonsense is refused, too */
	store_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    ON_FILES(a_store_is_created_once_and_private),
	    ON_FILES(the_name_of_a_store_is_checked),
	    ON_FILES(accounts_come_and_go),
	    ON_FILES(a_hash_is_replaced_only_if_it_is_still_the_old_one),
	    ON_FILES(stamps_add_up),
	    ON_FILES(each_goes_by_name_and_ends_when_told),
	    ON_FILES(two_handles_see_each_other),
	    ON_FILES(a_fresh_store_is_shared_by_many_at_once),
	    ON_FILES(a_locked_store_is_busy_after_its_time),
	    ON_FILES(hostile_rows_do_not_overflow),
	    ON_FILES(huge_names_in_rows_do_not_overflow),
	};

	if (password_init())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
