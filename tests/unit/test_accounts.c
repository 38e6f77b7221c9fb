/* Account names and password hashes. */
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
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "must.h"
#include "name.h"
#include "password.h"

/* The calls of password.c that want much memory. A limit would do, but the sanitizers do not live with one. */
static bool memory_is_out;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
	return memory_is_out ? NULL : __real_malloc(size);
}

int __real_crypto_pwhash_argon2id(unsigned char *out, unsigned long long out_len, const char *secret,
                                  unsigned long long len, const unsigned char *salt, unsigned long long passes,
                                  size_t memory, int algorithm);
int __wrap_crypto_pwhash_argon2id(unsigned char *out, unsigned long long out_len, const char *secret,
                                  unsigned long long len, const unsigned char *salt, unsigned long long passes,
                                  size_t memory, int algorithm);
int __wrap_crypto_pwhash_argon2id(unsigned char *out, unsigned long long out_len, const char *secret,
                                  unsigned long long len, const unsigned char *salt, unsigned long long passes,
                                  size_t memory, int algorithm)
{
	return memory_is_out
	           ? -1
	           : __real_crypto_pwhash_argon2id(out, out_len, secret, len, salt, passes, memory, algorithm);
}

static const struct password_cost cheap = {.kib = 64, .passes = 1};

/* ---- names ---- */

static void expect_name(const char *text, size_t len, const char *expected)
{
	char name[NAME_BYTES_MAX + 1];

	if (name_normalise(text, len, name) != 0)
		fail_msg("refused: '%s'", text);
	assert_string_equal(name, expected);
}

static void expect_no_name(const void *text, size_t len)
{
	char name[NAME_BYTES_MAX + 1];

	if (name_normalise(text, len, name) != -EINVAL)
		fail_msg("taken: '%.*s'", (int)len, (const char *)text);
}

#define GOOD(text, expected) expect_name(text, sizeof(text) - 1, expected)
#define BAD(text)            expect_no_name(text, sizeof(text) - 1)

static void names_of_any_script_are_taken(void **state)
{
	(void)state;
	GOOD("anna", "anna");
	GOOD("Anna.B-c_d+e@example.org", "Anna.B-c_d+e@example.org");
	GOOD("анна", "анна");
	GOOD("0", "0");
	GOOD("٣", "٣");
	GOOD("王小明", "王小明");
	GOOD("हिन्दी", "हिन्दी");
}

static void names_become_nfc(void **state)
{
	(void)state;
	GOOD("и\xcc\x86", "й");
	GOOD("e\xcc\x81", "é");
	GOOD("\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", "한");
	GOOD("\xe2\x84\xab", "Å");                      /* U+212B */
	GOOD("q\xcc\xa3\xcc\x87", "q\xcc\xa3\xcc\x87"); /* a mark after a mark after a letter */
}

static void marks_want_a_letter(void **state)
{
	(void)state;
	BAD("\xcc\x81");
	BAD("\xcc\x81"
	    "a");
	BAD("1\xcc\x81");
	BAD("a.\xcc\x81");
}

static void what_is_not_seen_is_refused(void **state)
{
	(void)state;
	BAD("");
	BAD(" ");
	BAD("a b");
	BAD("a\xc2\xa0"
	    "b");
	BAD("a\0b");
	BAD("a\n");
	BAD("a\x7f");
	BAD("a\xc2\x85"); /* C1 */
	BAD("a\xe2\x80\xae"
	    "b"); /* right-to-left override */
	BAD("a\xe2\x80\x8d"
	    "b"); /* zero width joiner */
	BAD("a\xe2\x80\x8b"
	    "b");
	BAD("\xe3\x85\xa4");     /* Hangul filler: a letter, by its category */
	BAD("a\xef\xb8\x8f");    /* a variation selector: a mark */
	BAD("\xf3\xa0\x81\x81"); /* a tag */
	BAD("a/b");
	BAD("a\"b");
	BAD("½");
	BAD("😀");
	BAD("a$");
}

static void bad_utf8_is_refused(void **state)
{
	(void)state;
	BAD("\xff");
	BAD("a\xc3");
	BAD("\xc0\xaf");
	BAD("\xed\xa0\x80");
	BAD("\xf4\x90\x80\x80");
}

static void names_are_counted_after_nfc(void **state)
{
	char text[65 * 4 + 1], nfd[65 * 4];

	(void)state;
	memset(text, 'a', 65);
	text[64] = '\0';
	expect_name(text, 64, text);
	text[64] = 'a';
	expect_no_name(text, 65);
	for (size_t i = 0; i < 65; i++)
		memcpy(text + 4 * i, "𐐀", 4);
	text[256] = '\0';
	expect_name(text, 256, text);
	memcpy(text + 256, "𐐀", 4);
	expect_no_name(text, 260);
	for (size_t i = 0; i < 65; i++)
		memcpy(nfd + 4 * i, "и\xcc\x86", 4);
	for (size_t i = 0; i < 64; i++)
		memcpy(text + 2 * i, "й", 2);
	text[128] = '\0';
	expect_name(nfd, 256, text); /* 128 characters before, 64 after */
	expect_no_name(nfd, 260);
	char *huge = calloc(1, 1 << 20);
	memset(huge, 'a', 1 << 20);
	expect_no_name(huge, 1 << 20);
	free(huge);
}

/* ---- passwords ---- */

static enum password_match verify(const char *hash, const char *secret)
{
	enum password_match match;

	assert_int_equal(password_verify(hash, secret, strlen(secret), &match), 0);
	return match;
}

static void passwords_are_told_apart(void **state)
{
	char hash[PASSWORD_HASH_MAX], again[PASSWORD_HASH_MAX];

	(void)state;
	assert_int_equal(password_hash(cheap, "correct horse", 13, hash), 0);
	assert_int_equal(password_hash(cheap, "correct horse", 13, again), 0);
	assert_string_not_equal(hash, again);
	assert_non_null(strstr(hash, "$argon2id$v=19$m=64,t=1,p=1$"));
	assert_int_equal(verify(hash, "correct horse"), PASSWORD_RIGHT);
	assert_int_equal(verify(hash, "correct horsf"), PASSWORD_WRONG);
	assert_int_equal(verify(hash, "correct horse "), PASSWORD_WRONG);
	assert_int_equal(verify(hash, ""), PASSWORD_WRONG);
}

/* By argon2-cffi's parameters: four lanes, which libsodium does not make. Made by libargon2 for `password`. */
static void foreign_hashes_are_worked_on(void **state)
{
	static const char hash[] =
	    "$argon2id$v=19$m=64,t=2,p=4$YS1zYWx0LW9mLTIwLWJ5dGVzISE$NQV6jrGo3FToiysv7ny2hlBIc6aITYloX00DTdhEbdY";

	(void)state;
	assert_int_equal(verify(hash, "password"), PASSWORD_RIGHT);
	assert_int_equal(verify(hash, "passwore"), PASSWORD_WRONG);
	/* One lane, but a salt of 8 bytes */
	assert_int_equal(
	    verify("$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAA$CKm6+F4DsrJ8hocQ7FKBzRCr2SSA6HjeyosBGJJkBAM", "password"),
	    PASSWORD_WRONG);
}

#define SALT_TAG "$I3XvCn6OZ9MFMMZYHaNz4w$CKm6+F4DsrJ8hocQ7FKBzRCr2SSA6HjeyosBGJJkBAM"

static void hostile_hashes_are_refused_before_any_work(void **state)
{
	static const char *const hostile[] = {
	    "",
	    "x",
	    "$argon2id$v=19$m=4294967295,t=1,p=1" SALT_TAG,
	    "$argon2id$v=19$m=1048577,t=1,p=1" SALT_TAG,
	    "$argon2id$v=19$m=18446744073709551680,t=1,p=1" SALT_TAG,
	    "$argon2id$v=19$m=7,t=1,p=1" SALT_TAG,
	    "$argon2id$v=19$m=64,t=11,p=1" SALT_TAG,
	    "$argon2id$v=19$m=64,t=4294967295,p=1" SALT_TAG,
	    "$argon2id$v=19$m=64,t=0,p=1" SALT_TAG,
	    "$argon2id$v=19$m=128,t=1,p=9" SALT_TAG,
	    "$argon2id$v=19$m=64,t=1,p=0" SALT_TAG,
	    "$argon2id$v=19$m=32,t=1,p=8" SALT_TAG,
	    "$argon2id$v=19$m=-64,t=1,p=1" SALT_TAG,
	    "$argon2id$v=19$m= 64,t=1,p=1" SALT_TAG,
	    "$argon2id$v=16$m=64,t=1,p=1" SALT_TAG,
	    "$argon2i$v=19$m=64,t=1,p=1" SALT_TAG,
	    "$argon2id$v=19$t=1,m=64,p=1" SALT_TAG,
	    "$argon2id$v=19$m=64,t=1,p=1",
	    "$argon2id$v=19$m=64,t=1,p=1$",
	    "$argon2id$v=19$m=64,t=1,p=1$I3XvCn6OZ9MFMMZYHaNz4w",
	    "$argon2id$v=19$m=64,t=1,p=1$I3XvCn6OZ9MFMMZYHaNz4w$",
	    "$argon2id$v=19$m=64,t=1,p=1$I3XvCn6OZ9MFMMZYHaNz4w$CKm6",
	    "$argon2id$v=19$m=64,p=1,t=1" SALT_TAG,
	    "$argon2id$v=19$m=64,t=1,x=1" SALT_TAG,
	    "$argon2id$v=19$m=64,t=1,p=1$I3XvCn6OZ9MFMMZYHaNz4\xff$CKm6+F4DsrJ8hocQ7FKBzRCr2SSA6HjeyosBGJJkBAM",
	    "$argon2id$v=19$m=64,t=1,p=1$I3XvCn6OZ9MFMMZYHaNz4$CKm6+F4DsrJ8hocQ7FKBzRCr2SSA6HjeyosBGJJkBAM", /* bits
	                                                                                                        left */
	    "$argon2id$v=19$m=64,t=1,p=1$I3Xv$CKm6+F4DsrJ8hocQ7FKBzRCr2SSA6HjeyosBGJJkBAM",
	    "$argon2id$v=19$m=64,t=1,p=1$I3XvCn6OZ9MFMMZYHaNz4w$CKm6+F4DsrJ8hocQ7FKBzRCr2SSA6HjeyosBGJJkBAM$",
	    "$argon2id$v=19$m=64,t=1,p=1$I3XvCn6OZ9MFMMZYHaNz4w$CKm6+F4DsrJ8hocQ7FKBzRCr2SSA6HjeyosBGJJkBA!",
	    "$argon2id$v=19$m=64,t=1,p=1$I3XvCn6OZ9MFMMZYHaNz4w$CKm6+F4DsrJ8hocQ7FKBzRCr2SSA6HjeyosBGJJkBAM=",
	    "$7$C6..../....SodiumChloride$kBGj9fHznVYFQMEn/qDCfrDevf9YDtcDdKvEqHJLV8D",
	};
	char too_long[PASSWORD_HASH_MAX + 16] = "$argon2id$v=19$m=64,t=1,p=1$I3XvCn6OZ9MFMMZYHaNz4w$";
	struct timespec before, after;

	(void)state;
	memset(too_long + strlen(too_long), 'A', sizeof(too_long) - 1 - strlen(too_long));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	for (size_t i = 0; i < array_size(hostile); i++) {
		if (verify(hostile[i], "password") != PASSWORD_BAD_HASH)
			fail_msg("worked on: %s", hostile[i]);
		assert_false(
		    password_is_weaker(hostile[i], (struct password_cost){PASSWORD_MAX_KIB, PASSWORD_MAX_PASSES}));
	}
	assert_int_equal(verify(too_long, "password"), PASSWORD_BAD_HASH);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	assert_true(after.tv_sec - before.tv_sec < 2); /* any work on a gibibyte takes longer */
}

static void weaker_hashes_are_known(void **state)
{
	char hash[PASSWORD_HASH_MAX];

	(void)state;
	assert_int_equal(password_hash((struct password_cost){128, 2}, "12345678", 8, hash), 0);
	assert_false(password_is_weaker(hash, (struct password_cost){128, 2}));
	assert_false(password_is_weaker(hash, (struct password_cost){64, 1}));
	assert_true(password_is_weaker(hash, (struct password_cost){129, 2}));
	assert_true(password_is_weaker(hash, (struct password_cost){64, 3}));
}

static void new_passwords_have_their_bounds(void **state)
{
	char text[PASSWORD_BYTES_MAX + 1];

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_false(password_acceptable(text, 7));
	assert_true(password_acceptable(text, 8));
	assert_true(password_acceptable(text, 256));
	assert_false(password_acceptable(text, 257));
	assert_true(password_acceptable("пароль", strlen("пароль")));
	assert_false(password_acceptable("1234\0005678", 9));
	assert_false(password_acceptable("12345678\r", 9));
	assert_false(password_acceptable("1234\n5678", 9));
}

/* libsodium's own check tells a lack of memory as a wrong password. */
static void no_memory_is_no_wrong_password(void **state)
{
	static const char *const hashes[] = {"$argon2id$v=19$m=64,t=1,p=1" SALT_TAG,
	                                     "$argon2id$v=19$m=64,t=1,p=2" SALT_TAG};
	enum password_match match;

	(void)state;
	for (size_t i = 0; i < array_size(hashes); i++) {
		memory_is_out = true;
		int err = password_verify(hashes[i], "password", 8, &match);
		memory_is_out = false;
		assert_int_equal(err, -ENOMEM);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_of_any_script_are_taken),
	    cmocka_unit_test(names_become_nfc),
	    cmocka_unit_test(marks_want_a_letter),
	    cmocka_unit_test(what_is_not_seen_is_refused),
	    cmocka_unit_test(bad_utf8_is_refused),
	    cmocka_unit_test(names_are_counted_after_nfc),
	    cmocka_unit_test(passwords_are_told_apart),
	    cmocka_unit_test(foreign_hashes_are_worked_on),
	    cmocka_unit_test(hostile_hashes_are_refused_before_any_work),
	    cmocka_unit_test(weaker_hashes_are_known),
	    cmocka_unit_test(new_passwords_have_their_bounds),
	    cmocka_unit_test(no_memory_is_no_wrong_password),
	};

	if (password_init())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
