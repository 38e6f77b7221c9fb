/*
 * The walls of front and keeper, tried from inside. Each act runs in a process of its own, which opens what the real
 * one has open, shuts itself in as the real one does, and tries: what is forbidden must fail or end the process, and
 * what is needed must work. Where the kernel or the build has no walls there is nothing to try, and the test says so.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "must.h"
#include "sandbox_acts.h"

#define HANG_S   20
#define NO_WALLS 77 /* the child's status: this kernel or build has none */

static void open_all(struct place *p, pid_t sibling)
{
	snprintf(p->folder, sizeof(p->folder), "/tmp/test_sandbox-XXXXXX");
	if (!mkdtemp(p->folder))
		_exit(BROKEN);
	snprintf(p->store, sizeof(p->store), "%s/cli_info", p->folder);
	snprintf(p->made, sizeof(p->made), "%s/cli_info-wal", p->folder);
	snprintf(p->outside, sizeof(p->outside), "/tmp/test_sandbox.XXXXXX");
	int store = open(p->store, O_RDWR | O_CREAT, 0600), outside = mkstemp(p->outside);
	struct sockaddr_in addr = sandbox_loopback(-1);
	struct epoll_event event = {.events = EPOLLIN};
	p->sibling = sibling;
	p->tcp = socket(AF_INET, SOCK_STREAM, 0);
	p->listener = socket(AF_INET, SOCK_STREAM, 0);
	p->wake[0] = epoll_create1(0);
	int client = socket(AF_INET, SOCK_STREAM, 0);
	bool good = store >= 0 && outside >= 0 && p->tcp >= 0 && client >= 0 &&
	            socketpair(AF_UNIX, SOCK_STREAM, 0, p->pair) == 0 &&
	            bind(p->listener, (struct sockaddr *)&addr, sizeof(addr)) == 0 && listen(p->listener, 1) == 0;
	addr = sandbox_loopback(p->listener);
	if (!good || connect(client, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    epoll_ctl(p->wake[0], EPOLL_CTL_ADD, p->listener, &event) < 0)
		_exit(BROKEN);
	close(store);
	close(outside);
}

/* A thread that was there before the walls: they must bind it, too. */
static void *act_in_thread(void *arg)
{
	struct place *p = arg;
	char byte;

	if (read(p->pair[1], &byte, 1) != 1)
		_exit(BROKEN);
	p->result = p->act(p);
	return NULL;
}

static _Noreturn void shut_in_and_try(enum sandbox_role role, struct place *p, bool in_thread)
{
	int files = sandbox_close_files(role == SANDBOX_KEEPER ? p->folder : NULL);

	if (in_thread && pthread_create(&p->thread, NULL, act_in_thread, p))
		_exit(BROKEN);
	int holds = sandbox_close(role, files, NULL);
	if (holds != (SANDBOX_FILES | SANDBOX_CALLS))
		_exit(holds < 0 ? BROKEN : NO_WALLS);
	if (!in_thread)
		_exit(p->act(p));
	if (write(p->pair[0], "x", 1) != 1 || pthread_join(p->thread, NULL))
		_exit(BROKEN);
	_exit(p->result);
}

static int status_of(pid_t pid)
{
	int how;

	assert_int_equal(waitpid(pid, &how, 0), pid);
	return how;
}

/* How the process ended that tried the act, as waitpid(2) tells it. */
static int try(enum sandbox_role role, int (*act)(struct place *), bool in_thread)
{
	struct place p = {.act = act};
	pid_t sibling = fork();

	assert_true(sibling >= 0);
	if (sibling == 0) {
		pause();
		_exit(0);
	}
	open_all(&p, sibling);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(HANG_S);
		shut_in_and_try(role, &p, in_thread);
	}
	int how = status_of(pid), fds[] = {p.pair[0], p.pair[1], p.tcp, p.listener, p.wake[0]};
	kill(sibling, SIGKILL);
	status_of(sibling);
	for (size_t i = 0; i < array_size(fds); i++)
		close(fds[i]);
	unlink(p.store);
	unlink(p.made);
	unlink(p.outside);
	rmdir(p.made);
	rmdir(p.folder);
	return how;
}

static void expect(enum sandbox_role role, const struct deed *deed, enum outcome outcome, bool in_thread)
{
	int how = try(role, deed->act, in_thread);
	bool good = false;

	if (WIFEXITED(how) && WEXITSTATUS(how) == NO_WALLS) {
		print_message("this kernel or build has no walls: nothing to try\n");
		skip();
	}
	switch (outcome) {
	case WORKS: good = WIFEXITED(how) && WEXITSTATUS(how) == 0; break;
	case REFUSED: good = WIFEXITED(how) && (WEXITSTATUS(how) == EPERM || WEXITSTATUS(how) == EACCES); break;
	case KILLED: good = WIFSIGNALED(how) && WTERMSIG(how) == SIGSYS; break;
	}
	if (!good)
		fail_msg("%s in the %s%s: ended by %s %d", deed->name, role == SANDBOX_FRONT ? "front" : "keeper",
		         in_thread ? ", in an older thread" : "", WIFSIGNALED(how) ? "signal" : "status or errno",
		         WIFSIGNALED(how) ? WTERMSIG(how) : WEXITSTATUS(how));
}

static void test_every_act_in_the_front(void **state)
{
	(void)state;
	for (size_t i = 0; i < sandbox_acts_count; i++)
		expect(SANDBOX_FRONT, &sandbox_acts[i], sandbox_acts[i].front, false);
}

static void test_every_act_in_the_keeper(void **state)
{
	(void)state;
	for (size_t i = 0; i < sandbox_acts_count; i++)
		expect(SANDBOX_KEEPER, &sandbox_acts[i], sandbox_acts[i].keeper, false);
}

static void test_older_threads_are_bound_too(void **state)
{
	(void)state;
	expect(SANDBOX_FRONT, sandbox_act("make_a_socket"), REFUSED, true);
	expect(SANDBOX_FRONT, sandbox_act("open_passwd"), REFUSED, true);
	expect(SANDBOX_FRONT, sandbox_act("run_a_program"), KILLED, true);
	expect(SANDBOX_KEEPER, sandbox_act("make_a_socket"), REFUSED, true);
	expect(SANDBOX_KEEPER, sandbox_act("open_passwd"), REFUSED, true);
}

/* ---- each wall by itself: the other would hide that it has a hole */

static _Noreturn void try_files_alone(struct place *p, const char *folder, int (*act)(struct place *))
{
	int files = sandbox_close_files(folder);

	_exit(files == -EOPNOTSUPP ? NO_WALLS : files ? BROKEN : act(p));
}

static void expect_of_files(const struct deed *deed, bool has_folder, enum outcome outcome)
{
	struct place p = {0};

	open_all(&p, getpid());
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		try_files_alone(&p, has_folder ? p.folder : NULL, deed->act);
	int how = status_of(pid);
	unlink(p.store);
	unlink(p.made);
	unlink(p.outside);
	rmdir(p.folder);
	if (WIFEXITED(how) && WEXITSTATUS(how) == NO_WALLS)
		skip();
	int wanted = outcome == WORKS ? 0 : EACCES;
	if (!WIFEXITED(how) || WEXITSTATUS(how) != wanted)
		fail_msg("%s %s a folder: %#x", deed->name, has_folder ? "with" : "without", (unsigned)how);
}

static void test_files_are_closed_without_the_filter(void **state)
{
	(void)state;
	expect_of_files(sandbox_act("open_passwd"), false, REFUSED);
	expect_of_files(sandbox_act("open_the_store"), false, REFUSED);
	expect_of_files(sandbox_act("open_passwd"), true, REFUSED);
	expect_of_files(sandbox_act("open_a_file_outside"), true, REFUSED);
	expect_of_files(sandbox_act("make_a_file_outside"), true, REFUSED);
	expect_of_files(sandbox_act("run_a_program"), true, REFUSED);
	expect_of_files(sandbox_act("make_a_folder"), true, REFUSED);
	expect_of_files(sandbox_act("make_a_link"), true, REFUSED);
	expect_of_files(sandbox_act("open_the_store"), true, WORKS);
	expect_of_files(sandbox_act("make_and_remove_a_log"), true, WORKS);
	expect_of_files(sandbox_act("sync_the_folder"), true, WORKS);
}

static void test_a_folder_that_is_not_there_is_an_error(void **state)
{
	int how;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(-sandbox_close_files("/nowhere/at/all"));
	how = status_of(pid);
	if (WIFEXITED(how) && WEXITSTATUS(how) == EOPNOTSUPP)
		skip();
	assert_true(WIFEXITED(how));
	assert_int_equal(WEXITSTATUS(how), ENOENT);
}

/* Where Landlock failed, and is not merely missing, the process must not serve. */
static void test_a_wall_that_failed_is_told(void **state)
{
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(sandbox_close(SANDBOX_FRONT, -EIO, NULL) == -EIO ? 0 : 1);
	int how = status_of(pid);
	if (WIFEXITED(how) && WEXITSTATUS(how) == 1 && sandbox_close_files("/nowhere") == -EOPNOTSUPP)
		skip();
	assert_int_equal(how, 0);
}

#ifdef __SANITIZE_ADDRESS__
static int overflow(struct place *p)
{
	volatile size_t size = 8;
	volatile char *bytes = malloc(size);

	(void)p;
	bytes[size] = 1;
	return 0;
}

/* Else a test under a sanitizer would see nothing of what it found behind the walls. */
static void test_a_sanitizer_s_report_comes_through(void **state)
{
	char text[16384] = "";
	size_t len = 0;
	int report[2];

	(void)state;
	assert_int_equal(pipe(report), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct place p = {.act = overflow};
		dup2(report[1], STDERR_FILENO);
		close(report[1]);
		alarm(HANG_S);
		shut_in_and_try(SANDBOX_FRONT, &p, false);
	}
	close(report[1]);
	for (ssize_t n; len < sizeof(text) - 1 && (n = read(report[0], text + len, sizeof(text) - 1 - len)) > 0;)
		len += (size_t)n;
	close(report[0]);
	int how = status_of(pid);
	if (WIFEXITED(how) && WEXITSTATUS(how) == NO_WALLS)
		skip();
	assert_int_not_equal(how, 0);
	assert_non_null(strstr(text, "heap-buffer-overflow"));
}
#define OF_SANITIZER cmocka_unit_test(test_a_sanitizer_s_report_comes_through),
#else
#define OF_SANITIZER
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_act_in_the_front),
	                                   cmocka_unit_test(test_every_act_in_the_keeper),
	                                   cmocka_unit_test(test_older_threads_are_bound_too),
	                                   cmocka_unit_test(test_files_are_closed_without_the_filter),
	                                   cmocka_unit_test(test_a_folder_that_is_not_there_is_an_error),
	                                   cmocka_unit_test(test_a_wall_that_failed_is_told),
	                                   OF_SANITIZER};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
