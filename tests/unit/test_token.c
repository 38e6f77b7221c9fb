/* Tokens as texts, their clock, and how they live in the store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_fixture.h"

#define LIFE 1000000
#define NOW  INT64_C(1800000000000000)

/* ---- the text ---- */

static void tokens_are_random_and_written_in_43_characters(void **state)
{
	struct token a, b;
	uint8_t digest[TOKEN_DIGEST_BYTES];
	char mark[TOKEN_MARK_LEN + 1];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		token_make(&a);
		token_make(&b);
		assert_int_equal(strlen(a.text), 43);
		assert_string_not_equal(a.text, b.text);
		assert_true(token_read(a.text, 43, digest));
		assert_memory_equal(digest, a.digest, sizeof(digest));
		token_mark(digest, mark);
		assert_int_equal(strlen(mark), 8);
	}
}

/* 32 zero bytes; SHA-256 by another program. */
static void the_digest_is_sha_256_of_the_bytes(void **state)
{
	static const char zeros[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	uint8_t digest[TOKEN_DIGEST_BYTES];
	char mark[TOKEN_MARK_LEN + 1];

	(void)state;
	assert_true(token_read(zeros, 43, digest));
	token_mark(digest, mark);
	assert_string_equal(mark, "66687aad");
}

/* Each byte at each place: of the alphabet, or none; and no text means the same token as another. */
static void a_token_is_written_in_one_way_only(void **state)
{
	static const char last[] = "AEIMQUYcgkosw048"; /* those whose two low bits are clear */
	uint8_t digest[TOKEN_DIGEST_BYTES], other[TOKEN_DIGEST_BYTES];
	struct token t;
	char text[60] = "";

	(void)state;
	token_make(&t);
	for (int place = 0; place < 43; place++) {
		for (int c = 0; c < 256; c++) {
			bool is = c && strchr(place == 42 ? last
			                                  : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			                                    "0123456789-_",
			                      c);
			memcpy(text, t.text, 44);
			text[place] = (char)c;
			if (token_read(text, 43, digest) != is)
				fail_msg("byte %d at %d", c, place);
			if (is && text[place] != t.text[place]) {
				assert_true(token_read(t.text, 43, other));
				assert_memory_not_equal(digest, other, sizeof(other));
			}
		}
	}
	memcpy(text, t.text, 43);
	for (size_t len = 0; len < sizeof(text); len++)
		assert_int_equal(token_read(text, len, digest), len == 43);
}

static void the_clock_never_goes_back(void **state)
{
	struct token_clock c = {0};

	(void)state;
	assert_int_equal(token_clock_at(&c, NOW, 1000), NOW);
	assert_int_equal(token_clock_at(&c, NOW + 5, 1005), NOW + 5);
	/* an hour back: it goes on from where it was */
	assert_int_equal(token_clock_at(&c, NOW - 3600000000, 1010), NOW + 10);
	assert_int_equal(token_clock_at(&c, NOW - 3600000000 + 20, 1030), NOW + 30);
	/* forward: tokens end early, but later ones live no longer than they should */
	assert_int_equal(token_clock_at(&c, NOW + 500, 1040), NOW + 500);
	assert_int_equal(token_clock_at(&c, NOW + 50, 1050), NOW + 510);
	/* a suspended machine: the wall clock went on alone */
	assert_int_equal(token_clock_at(&c, NOW + 9000, 1060), NOW + 9000);
	assert_true(token_clock_now(&c) > NOW / 2);
}

/* ---- the store ---- */

/* Tokens by number: their digests are made of it. */
struct digest {
	uint8_t bytes[TOKEN_DIGEST_BYTES];
};

static struct digest digest_of(int n)
{
	struct digest d;

	memset(d.bytes, 0xa5, sizeof(d.bytes));
	memcpy(d.bytes, &n, sizeof(n));
	return d;
}

static enum store_result begin(struct store *s, const char *name, int first, int64_t now)
{
	struct digest d = digest_of(first);

	return store_begin_tokens(s, name, "h",
	                          &(struct store_token){.digest = d.bytes, .now_us = now, .life_us = LIFE});
}

static enum store_result resume(struct store *s, int token, int next, int64_t now)
{
	struct digest d = digest_of(token), n = digest_of(next);
	struct account a = {.name = ""};
	enum store_result result =
	    store_resume(s, d.bytes, &(struct store_token){.digest = n.bytes, .now_us = now, .life_us = LIFE}, &a);

	assert_string_equal(a.name, result == STORE_OK ? "anna" : "");
	return result;
}

static enum store_result end_family(struct store *s, int token)
{
	struct digest d = digest_of(token);
	char name[NAME_BYTES_MAX + 1];
	enum store_result result = store_revoke_family(s, d.bytes, name);

	assert_string_equal(name, result == STORE_OK ? "anna" : "");
	return result;
}

static struct store *with_anna(struct place *p)
{
	struct store *s = open_at(p, p->path);

	assert_int_equal(store_add(s, "anna", "h", 1), STORE_OK);
	return s;
}

static int64_t rows(struct place *p, const char *sql)
{
	sqlite3_stmt *stmt;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	int64_t n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return n;
}

static void a_token_is_followed_by_another(void **state)
{
	struct store *s = with_anna(*state);

	assert_int_equal(resume(s, 1, 2, NOW), STORE_ABSENT);
	assert_int_equal(begin(s, "anna", 1, NOW), STORE_OK);
	for (int i = 1; i < 200; i++)
		assert_int_equal(resume(s, i, i + 1, NOW), STORE_OK);
	assert_int_equal(resume(s, 198, 999, NOW), STORE_SPENT);
	assert_int_equal(resume(s, 200 - 1 - STORE_FAMILY_KEPT_MAX, 999, NOW), STORE_ABSENT); /* forgotten */
	assert_int_equal(resume(s, 200, 201, NOW), STORE_OK); /* saying that it is spent does nothing by itself */
	assert_int_equal(rows(*state, "SELECT count(*) FROM token"), STORE_FAMILY_KEPT_MAX + 1);
	store_close(s);
}

static void a_lost_reply_leaves_the_old_token_good(void **state)
{
	struct store *s = with_anna(*state);

	assert_int_equal(begin(s, "anna", 1, NOW), STORE_OK);
	assert_int_equal(resume(s, 1, 2, NOW), STORE_OK); /* its 230 is lost */
	assert_int_equal(resume(s, 1, 3, NOW), STORE_OK);
	assert_int_equal(resume(s, 1, 4, NOW), STORE_OK);
	assert_int_equal(resume(s, 3, 5, NOW), STORE_OK); /* any of its successors, but one */
	assert_int_equal(resume(s, 1, 6, NOW), STORE_SPENT);
	assert_int_equal(resume(s, 2, 6, NOW), STORE_SPENT);
	assert_int_equal(resume(s, 4, 6, NOW), STORE_SPENT);
	assert_int_equal(resume(s, 3, 6, NOW), STORE_OK);
	assert_int_equal(resume(s, 5, 7, NOW), STORE_OK);
	store_close(s);
}

static void a_replay_ends_the_family_and_no_other(void **state)
{
	struct store *s = with_anna(*state);

	assert_int_equal(begin(s, "anna", 1, NOW), STORE_OK);
	assert_int_equal(begin(s, "anna", 100, NOW), STORE_OK);
	assert_int_equal(resume(s, 1, 2, NOW), STORE_OK);
	assert_int_equal(end_family(s, 1), STORE_ABSENT); /* not spent */
	assert_int_equal(resume(s, 2, 3, NOW), STORE_OK);
	assert_int_equal(resume(s, 1, 4, NOW), STORE_SPENT);
	assert_int_equal(end_family(s, 1), STORE_OK);
	assert_int_equal(end_family(s, 1), STORE_ABSENT);
	for (int i = 1; i < 5; i++)
		assert_int_equal(resume(s, i, 5, NOW), STORE_ABSENT);
	assert_int_equal(resume(s, 100, 101, NOW), STORE_OK);
	store_close(s);
}

static void tokens_have_an_end(void **state)
{
	struct store *s = with_anna(*state);

	assert_int_equal(begin(s, "anna", 1, NOW), STORE_OK);
	assert_int_equal(resume(s, 1, 2, NOW + LIFE - 1), STORE_OK);
	assert_int_equal(resume(s, 1, 3, NOW + LIFE), STORE_ABSENT);
	assert_int_equal(resume(s, 2, 3, NOW + LIFE), STORE_OK); /* has its own */
	assert_int_equal(resume(s, 2, 4, NOW + 2 * LIFE), STORE_ABSENT);
	assert_int_equal(resume(s, 3, 4, NOW + 2 * LIFE), STORE_ABSENT);
	/* one from the future, as of a clock that was wrong then, does not wait for its time */
	assert_int_equal(begin(s, "anna", 10, NOW + STORE_CLOCK_SLACK_US), STORE_OK);
	assert_int_equal(begin(s, "anna", 11, NOW + STORE_CLOCK_SLACK_US + 1), STORE_OK);
	assert_int_equal(resume(s, 10, 12, NOW), STORE_OK);
	assert_int_equal(resume(s, 11, 13, NOW), STORE_ABSENT);
	/* what is past its time is cleared away */
	assert_int_equal(begin(s, "anna", 20, NOW + 10 * LIFE + STORE_CLOCK_SLACK_US), STORE_OK);
	assert_int_equal(rows(*state, "SELECT count(*) FROM token"), 1);
	store_close(s);
}

static void an_account_has_eight_families(void **state)
{
	struct store *s = with_anna(*state);
	int64_t families;

	for (int i = 0; i < 9; i++)
		assert_int_equal(begin(s, "anna", i, NOW), STORE_OK);
	assert_int_equal(resume(s, 0, 100, NOW), STORE_ABSENT);
	for (int i = 1; i < 9; i++)
		assert_int_equal(resume(s, i, 100 + i, NOW), STORE_OK);
	assert_int_equal(begin(s, "anna", 9, NOW), STORE_OK); /* the oldest goes, though just used */
	assert_int_equal(resume(s, 101, 200, NOW), STORE_ABSENT);
	assert_int_equal(resume(s, 102, 201, NOW), STORE_OK);
	assert_int_equal(store_revoke(s, "anna", NOW, &families), STORE_OK);
	assert_int_equal(families, 8);
	assert_int_equal(store_revoke(s, "anna", NOW, &families), STORE_OK);
	assert_int_equal(families, 0);
	assert_int_equal(store_revoke(s, "bob", NOW, &families), STORE_ABSENT);
	assert_int_equal(resume(s, 201, 300, NOW), STORE_ABSENT);
	store_close(s);
}

static void change_password(struct store *s)
{
	assert_int_equal(store_set_hash(s, "anna", "h2", NULL), STORE_OK);
	assert_int_equal(begin(s, "anna", 50, NOW), STORE_ABSENT); /* a login with the old one that comes late */
}

static void disable(struct store *s)
{
	assert_int_equal(store_set_disabled(s, "anna", true), STORE_OK);
	assert_int_equal(begin(s, "anna", 50, NOW), STORE_ABSENT);
	assert_int_equal(store_set_disabled(s, "anna", false), STORE_OK);
}

static void remove_account(struct store *s)
{
	assert_int_equal(store_remove(s, "anna"), STORE_OK);
	assert_int_equal(begin(s, "anna", 50, NOW), STORE_ABSENT);
	assert_int_equal(store_add(s, "anna", "h", 1), STORE_OK); /* another one of that name */
}

static void what_ends_tokens(void **state)
{
	void (*const ends[])(struct store *) = {change_password, disable, remove_account};

	for (size_t i = 0; i < array_size(ends); i++) {
		struct store *s = with_anna(*state);
		assert_int_equal(store_add(s, "bob", "h", 1), STORE_OK);
		assert_int_equal(begin(s, "anna", 1, NOW), STORE_OK);
		assert_int_equal(begin(s, "bob", 2, NOW), STORE_OK);
		assert_int_equal(resume(s, 1, 3, NOW), STORE_OK);
		ends[i](s);
		assert_int_equal(resume(s, 1, 4, NOW), STORE_ABSENT);
		assert_int_equal(resume(s, 3, 4, NOW), STORE_ABSENT);
		assert_int_equal(rows(*state, "SELECT count(*) FROM token"), 1); /* bob's */
		store_close(s);
		run_sql(((struct place *)*state)->path, "PRAGMA foreign_keys = ON; DELETE FROM account");
	}
}

static void what_leaves_tokens(void **state)
{
	struct store *s = with_anna(*state);

	assert_int_equal(begin(s, "anna", 1, NOW), STORE_OK);
	assert_int_equal(store_set_disabled(s, "anna", false), STORE_OK);
	assert_int_equal(store_set_hash(s, "anna", "h3", "h"), STORE_OK); /* the same password, hashed anew */
	assert_int_equal(resume(s, 1, 2, NOW), STORE_OK);
	store_close(s);
}

/* Only by another program: enabled without its tokens having been ended. */
static void a_disabled_account_s_token_is_refused(void **state)
{
	struct place *p = *state;
	struct store *s = with_anna(p);

	assert_int_equal(begin(s, "anna", 1, NOW), STORE_OK);
	run_sql(p->path, "UPDATE account SET disabled = 1");
	assert_int_equal(resume(s, 1, 2, NOW), STORE_ABSENT);
	store_close(s);
}

static void a_new_account_may_come_with_a_token(void **state)
{
	struct place *p = *state;
	struct store *s = open_at(p, p->path);
	struct digest d = digest_of(1);
	struct store_token token = {.digest = d.bytes, .now_us = NOW, .life_us = LIFE};
	struct store_new anna = {.name = "anna", .hash = "h", .created_us = 1, .token = &token};

	assert_int_equal(store_register(s, &anna), STORE_OK);
	assert_int_equal(store_register(s, &anna), STORE_EXISTS);
	assert_int_equal(resume(s, 1, 2, NOW), STORE_OK);
	assert_int_equal(rows(p, "SELECT count(*) FROM token"), 2);
	store_close(s);
}

/* Two servers on one store, and what others take away. */
static void there_are_so_many_accounts_and_no_more(void **state)
{
	struct place *p = *state;
	struct store *one = open_at(p, p->path), *two = open_at(p, p->path);
	struct account a;
	char name[16];

	for (int i = 0; i < 10; i++) {
		struct store_new n = {.name = name, .hash = "h", .created_us = 1, .accounts_max = 5};
		snprintf(name, sizeof(name), "u%d", i);
		assert_int_equal(store_register(i % 2 ? one : two, &n), i < 5 ? STORE_OK : STORE_TOO_MANY);
		assert_int_equal(store_find(one, name, &a), i < 5 ? STORE_OK : STORE_ABSENT);
	}
	struct store_new u1 = {.name = "u1", .hash = "h", .created_us = 1, .accounts_max = 5};
	assert_int_equal(store_register(one, &u1), STORE_EXISTS);
	assert_int_equal(store_remove(two, "u1"), STORE_OK);
	assert_int_equal(store_register(one, &u1), STORE_OK);
	assert_int_equal(store_add(one, "admin", "h", 1), STORE_OK); /* who has no limit */
	run_sql(p->path, "DELETE FROM account WHERE name IN ('u2', 'u3')");
	u1.name = "u2";
	assert_int_equal(store_register(one, &u1), STORE_OK);
	u1.name = "u3";
	assert_int_equal(store_register(one, &u1), STORE_TOO_MANY);
	assert_int_equal(rows(p, "SELECT accounts - (SELECT count(*) FROM account) FROM tally"), 0);
	store_close(one);
	store_close(two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tokens_are_random_and_written_in_43_characters),
	    cmocka_unit_test(the_digest_is_sha_256_of_the_bytes),
	    cmocka_unit_test(a_token_is_written_in_one_way_only),
	    cmocka_unit_test(the_clock_never_goes_back),
	    ON_FILES(a_token_is_followed_by_another),
	    ON_FILES(a_lost_reply_leaves_the_old_token_good),
	    ON_FILES(a_replay_ends_the_family_and_no_other),
	    ON_FILES(tokens_have_an_end),
	    ON_FILES(an_account_has_eight_families),
	    ON_FILES(what_ends_tokens),
	    ON_FILES(what_leaves_tokens),
	    ON_FILES(a_disabled_account_s_token_is_refused),
	    ON_FILES(a_new_account_may_come_with_a_token),
	    ON_FILES(there_are_so_many_accounts_and_no_more),
	};

	if (password_init())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
