/* The keys of servers that were trusted on first use: the file's text, and the file. */
#include "known_servers.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "must.h"

#define PIN_A "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define PIN_B "SHA256:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA"

static void test_pins(void **state)
{
	static const char *const bad[] = {"",
	                                  "SHA256:",
	                                  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	                                  "sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	                                  "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	                                  PIN_A "A",
	                                  PIN_A "==",
	                                  "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-_",
	                                  PIN_A " "};
	(void)state;
	assert_true(known_servers_is_pin(PIN_A));
	assert_true(known_servers_is_pin(PIN_A "="));
	assert_true(known_servers_is_pin("SHA256:+/0123456789abcdefghijklmnopqrstuvwxyzABCDE"));
	for (size_t i = 0; i < array_size(bad); i++)
		assert_false(known_servers_is_pin(bad[i]));
}

static void test_names(void **state)
{
	static const char *const pairs[][2] = {{"tls:Echo.Example.ORG:7863", "echo.example.org:7863"},
	                                       {"raw+tls:127.0.0.1:1", "127.0.0.1:1"},
	                                       {"tls:[2001:DB8::1]:5", "[2001:db8::1]:5"},
	                                       {"tls:[fe80::1%eth0]:5", "[fe80::1%eth0]:5"}};
	char name[KNOWN_SERVERS_NAME_MAX];
	struct address a;
	const char *why;

	(void)state;
	for (size_t i = 0; i < array_size(pairs); i++) {
		assert_int_equal(address_parse(pairs[i][0], 7862, &a, &why), 0);
		known_servers_name(&a, name);
		assert_string_equal(name, pairs[i][1]);
	}
}

static void test_search(void **state)
{
	static const struct {
		const char *text;
		enum known_servers_result result;
		unsigned line;
	} cases[] = {
	    {"", KNOWN_SERVERS_NONE, 0},
	    {"host:1 " PIN_A, KNOWN_SERVERS_SAME, 1},
	    {"host:1 " PIN_A "\n", KNOWN_SERVERS_SAME, 1},
	    {"host:1 " PIN_A "=\n", KNOWN_SERVERS_SAME, 1},
	    {"# x\n\n \t host:1\t" PIN_A " and a remark\r\n", KNOWN_SERVERS_SAME, 3},
	    {"host:1 " PIN_B "\n", KNOWN_SERVERS_CHANGED, 1},
	    {"x:1 " PIN_A "\nhost:1 " PIN_B "\nhost:1 " PIN_B "\n", KNOWN_SERVERS_CHANGED, 2},
	    {"host:1 " PIN_B "\nhost:1 " PIN_A "\n", KNOWN_SERVERS_SAME, 2},
	    {"host:1 " PIN_A "\nhost:1 " PIN_B "\n", KNOWN_SERVERS_SAME, 1},
	    {"host:11 " PIN_B "\n", KNOWN_SERVERS_NONE, 0},
	    {"ahost:1 " PIN_B "\n", KNOWN_SERVERS_NONE, 0},
	    {"HOST:1 " PIN_B "\n", KNOWN_SERVERS_NONE, 0},
	    {"#host:1 " PIN_B "\n# host:1 " PIN_B "\n", KNOWN_SERVERS_NONE, 0},
	    {"host:1\n" PIN_B "\n", KNOWN_SERVERS_NONE, 0},
	    {"host:1 SHA256:short\nhost:1 SHA1:" PIN_B "\n", KNOWN_SERVERS_NONE, 0},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		struct known_servers_match match = {0};
		size_t len = strlen(cases[i].text);
		char *text = malloc(len + 1); /* its end is watched by the sanitizer */
		memcpy(text, cases[i].text, len);
		assert_int_equal(known_servers_search(text, len, "host:1", PIN_A, &match), cases[i].result);
		assert_int_equal(match.line, cases[i].line);
		if (cases[i].result == KNOWN_SERVERS_CHANGED)
			assert_string_equal(match.pin, PIN_B);
		free(text);
	}
}

/* ---- the file ---- */

static int make_home(void **state)
{
	char *home = strdup("/tmp/ed-known-XXXXXX");

	if (!home || !mkdtemp(home))
		return -1;
	unsetenv("XDG_STATE_HOME");
	setenv("HOME", home, 1);
	*state = home;
	return 0;
}

static int remove_home(void **state)
{
	static const char *const parts[] = {
	    "/.local/state/echoc/known_servers", "/.local/state/echoc", "/.local/state", "/.local", "/elsewhere", ""};
	char path[256];

	for (size_t i = 0; i < array_size(parts); i++) {
		snprintf(path, sizeof(path), "%s%s", (char *)*state, parts[i]);
		(void)remove(path);
	}
	int left = access(*state, F_OK) == 0;
	free(*state);
	return left;
}

static const char *file_of(const char *home)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/.local/state/echoc/known_servers", home);
	return path;
}

static enum known_servers_result find(const char *name, const char *pin)
{
	struct known_servers_match match;
	enum known_servers_result result;

	assert_int_equal(known_servers_find(name, pin, &result, &match), 0);
	return result;
}

static void test_add_and_find(void **state)
{
	struct stat st;

	assert_int_equal(find("host:1", PIN_A), KNOWN_SERVERS_NONE); /* and nothing is made for it */
	assert_int_equal(stat(file_of(*state), &st), -1);
	assert_int_equal(known_servers_add("host:1", PIN_A), 0);
	assert_int_equal(known_servers_add("host:1", PIN_A), 0);
	assert_int_equal(known_servers_add("host:1", PIN_B), -EEXIST);
	assert_int_equal(known_servers_add("[::1]:2", PIN_B), 0);
	assert_int_equal(find("host:1", PIN_A), KNOWN_SERVERS_SAME);
	assert_int_equal(find("host:1", PIN_B), KNOWN_SERVERS_CHANGED);
	assert_int_equal(find("[::1]:2", PIN_B), KNOWN_SERVERS_SAME);
	assert_int_equal(stat(file_of(*state), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 2 * sizeof(PIN_A) + sizeof("host:1") + sizeof("[::1]:2"));
}

static void test_a_last_line_without_end(void **state)
{
	assert_int_equal(known_servers_add("a:1", PIN_A), 0);
	assert_int_equal(truncate(file_of(*state), sizeof("a:1 " PIN_A) - 1), 0);
	assert_int_equal(known_servers_add("b:1", PIN_B), 0);
	assert_int_equal(find("a:1", PIN_A), KNOWN_SERVERS_SAME);
	assert_int_equal(find("b:1", PIN_B), KNOWN_SERVERS_SAME);
}

static void test_many_at_once(void **state)
{
	char name[16];

	(void)state;
	for (int i = 0; i < 8; i++) {
		if (fork() == 0) {
			int bad = 0;
			for (int j = 0; j < 8 && !bad; j++) {
				snprintf(name, sizeof(name), "h%d:%d", i, j + 1);
				bad = known_servers_add(name, PIN_A);
			}
			_exit(bad != 0);
		}
	}
	for (int status = 0, i = 0; i < 8; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	for (int i = 0; i < 64; i++) {
		snprintf(name, sizeof(name), "h%d:%d", i / 8, i % 8 + 1);
		assert_int_equal(find(name, PIN_A), KNOWN_SERVERS_SAME);
	}
}

static void test_no_link_is_followed_and_nothing_is_left_open_to_others(void **state)
{
	struct known_servers_match match;
	enum known_servers_result result;
	char elsewhere[256];
	struct stat st;

	assert_int_equal(known_servers_add("a:1", PIN_A), 0);
	assert_int_equal(chmod(file_of(*state), 0666), 0);
	assert_int_equal(find("a:1", PIN_A), KNOWN_SERVERS_SAME);
	assert_int_equal(stat(file_of(*state), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", (char *)*state);
	assert_int_equal(rename(file_of(*state), elsewhere), 0);
	assert_int_equal(symlink(elsewhere, file_of(*state)), 0);
	assert_int_equal(known_servers_find("a:1", PIN_A, &result, &match), -ELOOP);
	assert_int_equal(known_servers_add("b:1", PIN_B), -ELOOP);
	assert_string_equal(match.path, file_of(*state));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pins),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_search),
	    cmocka_unit_test_setup_teardown(test_add_and_find, make_home, remove_home),
	    cmocka_unit_test_setup_teardown(test_a_last_line_without_end, make_home, remove_home),
	    cmocka_unit_test_setup_teardown(test_many_at_once, make_home, remove_home),
	    cmocka_unit_test_setup_teardown(test_no_link_is_followed_and_nothing_is_left_open_to_others, make_home,
	                                    remove_home),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
