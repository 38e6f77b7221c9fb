/* A file of version 1 gets what it lacks when it is opened, whole or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_fixture.h"

/* As the first echod made it. */
static const char version_1[] =
    "PRAGMA journal_mode = WAL;"
    "CREATE TABLE account ("
    " name TEXT PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),"
    " hash TEXT NOT NULL CHECK (length(hash) BETWEEN 1 AND 127),"
    " created_us INTEGER NOT NULL CHECK (created_us >= 0),"
    " last_login_us INTEGER NOT NULL DEFAULT 0 CHECK (last_login_us >= 0),"
    " last_address TEXT NOT NULL DEFAULT '' CHECK (length(last_address) < 80),"
    " logins INTEGER NOT NULL DEFAULT 0 CHECK (logins >= 0),"
    " failures INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),"
    " disabled INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1))"
    ") STRICT, WITHOUT ROWID;"
    "PRAGMA application_id = 1701013615;"
    "PRAGMA user_version = 1;"
    "INSERT INTO account (name, hash, created_us, logins) VALUES ('anna', 'h1', 5, 7), ('bob', 'h2', 6, 0);";

static void check(struct store *s)
{
	struct account a;
	struct store_new carla = {.name = "carla", .hash = "h", .created_us = 1, .accounts_max = 2};
	uint8_t digest[TOKEN_DIGEST_BYTES] = {1};

	assert_int_equal(store_find(s, "anna", &a), STORE_OK);
	assert_string_equal(a.hash, "h1");
	assert_int_equal(a.logins, 7);
	assert_int_equal(store_register(s, &carla), STORE_TOO_MANY); /* both are counted */
	assert_int_equal(
	    store_begin_tokens(s, "bob", "h2", &(struct store_token){.digest = digest, .now_us = 1, .life_us = 1}),
	    STORE_OK);
}

static void an_older_file_is_upgraded_once(void **state)
{
	struct place *p = *state;

	run_sql(p->path, version_1);
	struct store *s = open_at(p, p->path), *two = open_at(p, p->path);
	assert_true(store_was_upgraded(s));
	assert_false(store_was_upgraded(s));
	assert_false(store_was_upgraded(two));
	check(two);
	store_close(s);
	store_close(two);
	s = open_at(p, p->path);
	assert_false(store_was_upgraded(s));
	store_close(s);
}

/* An older copy is put in its place while it is open. */
static void a_copy_put_in_place_is_upgraded_too(void **state)
{
	struct place *p = *state;
	struct store *s = open_at(p, p->path);

	run_sql(p->other, version_1);
	assert_int_equal(rename(p->other, p->path), 0);
	check(s);
	assert_true(store_was_upgraded(s));
	store_close(s);
}

static void *open_in_thread(void *arg)
{
	struct place *p = arg;
	char why[STORE_WHY_MAX];
	struct store *s;
	bool created;

	if (store_open(&s, p->path, STORE_MUST_EXIST, &created, why) != STORE_OK)
		return (void *)1000;
	bool was = store_was_upgraded(s);
	store_close(s);
	return (void *)(intptr_t)was;
}

static void of_many_at_once_each_finds_it_whole(void **state)
{
	struct place *p = *state;
	pthread_t thread[6];

	run_sql(p->path, version_1);
	for (size_t i = 0; i < array_size(thread); i++)
		assert_int_equal(pthread_create(&thread[i], NULL, open_in_thread, p), 0);
	for (size_t i = 0; i < array_size(thread); i++) {
		void *result;
		pthread_join(thread[i], &result);
		assert_true((intptr_t)result < 1000);
	}
	struct store *s = open_at(p, p->path);
	check(s);
	store_close(s);
}

static void what_cannot_be_upgraded_is_left_alone(void **state)
{
	struct place *p = *state;
	char why[STORE_WHY_MAX];
	struct store *s;
	bool created;

	run_sql(p->path, version_1);
	run_sql(p->path, "CREATE TABLE tally (x)"); /* somebody else's table is in the way */
	refuses_and_leaves_alone(p, "already exists");
	run_sql(p->path, "DROP TABLE tally");
	assert_int_equal(store_open(&s, p->path, STORE_MUST_EXIST, &created, why), STORE_OK);
	check(s);
	store_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    ON_FILES(an_older_file_is_upgraded_once),
	    ON_FILES(a_copy_put_in_place_is_upgraded_too),
	    ON_FILES(of_many_at_once_each_finds_it_whole),
	    ON_FILES(what_cannot_be_upgraded_is_left_alone),
	};

	if (password_init())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
