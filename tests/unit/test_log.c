/*
 * The log: one event is one line, whatever is in it; what cannot be written is counted and never waited for. Nothing
 * here sleeps: lines are waited for at the other end of a pipe or by inotify(7), and alarm(2) ends a test that hangs.
 */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"

#define HANG_S  30
#define STRINGS 500
#define THREADS 4
#define LINES   1000
#define LONG    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define TIME_HEAD                                                                                                      \
	"^time=[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6}Z level=(error|warning|info|debug) "    \
	"event="

static uint64_t random_state;

static size_t below(size_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % n;
}

/* A file that a log writes to, and a watch that wakes when it grows. */
struct file {
	char path[32];
	int fd, watch;
};

static void file_open(struct file *f)
{
	snprintf(f->path, sizeof(f->path), "/tmp/test_log-XXXXXX");
	int fd = mkstemp(f->path);
	assert_true(fd >= 0);
	close(fd);
	f->fd = open(f->path, O_WRONLY | O_APPEND | O_CLOEXEC);
	f->watch = inotify_init1(IN_CLOEXEC);
	assert_true(f->fd >= 0 && f->watch >= 0);
	assert_true(inotify_add_watch(f->watch, f->path, IN_MODIFY) >= 0);
}

static void file_close(struct file *f)
{
	unlink(f->path);
	close(f->watch);
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}

/* All of the file, NUL-ended and the caller's to free, as soon as it has so many lines. */
static char *file_lines(struct file *f, size_t lines)
{
	for (;;) {
		char event[4096], *text = calloc(1, 2 * LOG_RING_BYTES);
		int fd = open(f->path, O_RDONLY | O_CLOEXEC);
		assert_true(text && fd >= 0);
		ssize_t n = read(fd, text, 2 * LOG_RING_BYTES - 1);
		close(fd);
		assert_true(n >= 0);
		assert_int_equal(strlen(text), n); /* no NUL */
		if (count_lines(text) >= lines)
			return text;
		free(text);
		assert_true(read(f->watch, event, sizeof(event)) > 0);
	}
}

/* A file's line without its end; cut out of text. */
static char *next_line(char **text)
{
	char *line = *text, *lf = strchr(line, '\n');

	if (!lf)
		return NULL;
	*lf = '\0';
	*text = lf + 1;
	return line;
}

static void check_line(const char *line)
{
	static regex_t head;
	static bool compiled;

	if (!compiled)
		assert_int_equal(regcomp(&head, TIME_HEAD, REG_EXTENDED | REG_NOSUB), 0);
	compiled = true;
	if (regexec(&head, line, 0, NULL, 0))
		fail_msg("not a log line: %s", line);
	assert_true(strlen(line) < LOG_LINE_MAX);
	for (const char *c = line; *c; c++)
		assert_true(*c >= 0x20 && *c <= 0x7e);
}

static struct log *open_log(int fd, _Atomic uint64_t *lost)
{
	struct log *log = NULL;

	alarm(HANG_S);
	atomic_store(lost, 0);
	assert_int_equal(log_open(&log, fd, LOG_INFO, lost), 0);
	return log;
}

static void test_fields(void **state)
{
	_Atomic uint64_t lost;
	struct file f;
	struct log_line line;

	(void)state;
	file_open(&f);
	struct log *log = open_log(f.fd, &lost);
	log_begin(&line, log, LOG_INFO, "login");
	log_text(&line, "name", "anna");
	log_text(&line, "empty", "");
	log_text(&line, "said", "two words");
	log_text(&line, "sum", "a=b");
	log_text(&line, "quoted", "\"\\");
	log_bytes(&line, "raw", "a\0\n\xff", 4);
	log_number(&line, "least", INT64_MIN);
	log_number(&line, "most", INT64_MAX);
	log_end(&line);
	log_event(log, LOG_ERROR, "sentence", "%s is %d", "this", 1);
	log_event(log, LOG_DEBUG, "unwanted", "too fine");
	log_event(NULL, LOG_ERROR, "nowhere", "no log");
	log_close(log);
	char *all = file_lines(&f, 2), *text = all, *first = next_line(&text), *second = next_line(&text);
	check_line(first);
	check_line(second);
	assert_string_equal(
	    first + strcspn(first, " ") + 1,
	    "level=info event=login name=anna empty=\"\" said=\"two words\" sum=\"a=b\" "
	    "quoted=\"\\\"\\\\\" raw=a\\x00\\x0a\\xff least=-9223372036854775808 most=9223372036854775807");
	assert_string_equal(second + strcspn(second, " ") + 1, "level=error event=sentence msg=\"this is 1\"");
	assert_string_equal(text, "");
	assert_int_equal(atomic_load(&lost), 0);
	free(all);
	assert_int_equal(close(f.fd), 0); /* it stayed ours */
	file_close(&f);
}

static size_t hostile_value(char *value, size_t cap)
{
	static const char *const pieces[] = {
	    "\n",
	    "\r\n",
	    "\ntime=1 level=error event=forged",
	    "\" level=error",
	    "=",
	    " ",
	    "\\",
	    "\"",
	    "\x1b[2J",
	    "\x7f",
	    "\xe2\x80\xae",
	    "\xff\xfe",
	    "\xc3",
	    "anna",
	    "\t",
	    "%s%n",
	    "\xd0\xaf",
	    LONG,
	};
	size_t len = 0;

	for (size_t i = below(40); i > 0; i--) {
		const char *piece = pieces[below(sizeof(pieces) / sizeof(pieces[0]))];
		size_t n = strlen(piece);
		if (len + n >= cap)
			break;
		memcpy(value + len, piece, n);
		len += n;
		if (below(10) == 0)
			value[len++] = '\0';
	}
	return len;
}

static void test_hostile_values(void **state)
{
	_Atomic uint64_t lost;
	struct file f;

	(void)state;
	file_open(&f);
	struct log *log = open_log(f.fd, &lost);
	for (unsigned i = 0; i < STRINGS; i++) {
		struct log_line line;
		char value[3000];
		log_begin(&line, log, LOG_WARNING, "hostile");
		log_number(&line, "n", i);
		log_bytes(&line, "value", value, hostile_value(value, sizeof(value) - 1));
		if (below(2))
			log_bytes(&line, "more", value, hostile_value(value, sizeof(value) - 1));
		log_end(&line);
	}
	char *all = file_lines(&f, STRINGS), *text = all, start[32];
	log_close(log);
	for (unsigned i = 0; i < STRINGS; i++) {
		char *line = next_line(&text);
		assert_non_null(line);
		check_line(line);
		snprintf(start, sizeof(start), " event=hostile n=%u value=", i);
		assert_non_null(strstr(line, start));
	}
	assert_string_equal(text, "");
	assert_int_equal(atomic_load(&lost), 0);
	free(all);
	close(f.fd);
	file_close(&f);
}

/* Values longer than a line are cut, fields that find no room are left out, and the line ends all the same. */
static void test_long_lines(void **state)
{
	static char value[10000];
	_Atomic uint64_t lost;
	struct file f;
	size_t lines = 0;

	(void)state;
	file_open(&f);
	struct log *log = open_log(f.fd, &lost);
	memset(value, '\n', sizeof(value));
	for (size_t len = 0; len < 2100; len += 7) {
		struct log_line line;
		log_begin(&line, log, LOG_INFO, "long");
		log_bytes(&line, "a", value, len / 4);
		memset(value, "x \"\n"[lines % 4], sizeof(value));
		log_bytes(&line, "b", value, len);
		log_bytes(&line, "c", value, sizeof(value));
		log_bytes(&line, "d", value, 5);
		log_number(&line, "e", INT64_MIN);
		log_end(&line);
		lines++;
	}
	char *all = file_lines(&f, lines), *text = all, *line;
	log_close(log);
	for (; (line = next_line(&text)); lines--) {
		size_t quotes = 0;
		check_line(line);
		for (const char *c = line; *c; c++) { /* every quote that opens is closed */
			if (*c == '\\' && c[1])
				c++;
			else if (*c == '"')
				quotes++;
		}
		assert_int_equal(quotes % 2, 0);
	}
	assert_int_equal(lines, 0);
	assert_string_equal(text, "");
	free(all);
	close(f.fd);
	file_close(&f);
}

static void test_levels(void **state)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	_Atomic uint64_t lost;
	enum log_level level;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(log_level_parse(names[i], &level), 0);
		assert_int_equal(level, i);
	}
	assert_int_equal(log_level_parse("", &level), -EINVAL);
	assert_int_equal(log_level_parse("Error", &level), -EINVAL);
	assert_int_equal(log_level_parse("info ", &level), -EINVAL);
	struct log *log = open_log(STDERR_FILENO, &lost);
	assert_true(log_wants(log, LOG_ERROR) && log_wants(log, LOG_INFO));
	assert_false(log_wants(log, LOG_DEBUG) || log_wants(NULL, LOG_ERROR));
	log_close(log);
	log_close(NULL);
}

static void test_reopen(void **state)
{
	_Atomic uint64_t lost;
	struct file f[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		file_open(&f[i]);
	struct log *log = open_log(f[0].fd, &lost);
	for (unsigned i = 0; i < 3; i++) {
		if (i > 0)
			log_reopen(log, f[i].fd);
		log_event(log, LOG_INFO, "here", "%u", i);
		free(file_lines(&f[i], 1)); /* it is there before the next one takes over */
	}
	log_close(log);
	for (unsigned i = 0; i < 3; i++) {
		char *all = file_lines(&f[i], 1), wanted[32];
		snprintf(wanted, sizeof(wanted), " event=here msg=%u\n", i);
		assert_non_null(strstr(all, wanted));
		assert_int_equal(count_lines(all), 1);
		free(all);
		file_close(&f[i]);
	}
	assert_int_equal(close(f[0].fd), 0);
	assert_int_equal(close(f[1].fd), -1); /* what log_reopen took over is closed */
	assert_int_equal(close(f[2].fd), -1);
}

/* Reads whole lines from a pipe and hands each to the caller. */
struct reader {
	int fd;
	size_t len, at;
	char buf[65536];
};

static char *read_line(struct reader *r)
{
	for (;;) {
		char *line = r->buf + r->at, *lf = memchr(line, '\n', r->len - r->at);
		if (lf) {
			*lf = '\0';
			r->at = (size_t)(lf + 1 - r->buf);
			return line;
		}
		memmove(r->buf, line, r->len - r->at);
		r->len -= r->at;
		r->at = 0;
		ssize_t n = read(r->fd, r->buf + r->len, sizeof(r->buf) - r->len);
		assert_true(n > 0);
		r->len += (size_t)n;
	}
}

static void log_number_line(struct log *log, uint64_t n)
{
	struct log_line line;

	log_begin(&line, log, LOG_INFO, "number");
	log_number(&line, "n", (int64_t)n);
	log_text(&line, "fill", LONG LONG LONG LONG LONG LONG LONG LONG);
	log_end(&line);
}

static uint64_t number_after(const char *line, const char *key)
{
	const char *at = strstr(line, key);

	assert_non_null(at);
	return strtoull(at + strlen(key), NULL, 10);
}

/*
 * Reads until all events are accounted for: seen, in their order, or reported as lost. Returns how many were reported.
 */
static uint64_t account_for(struct reader *r, uint64_t events)
{
	uint64_t seen = 0, reported = 0, least = 0;

	while (seen + reported < events) {
		char *line = read_line(r);
		check_line(line);
		if (strstr(line, " event=log_lost ")) {
			assert_non_null(strstr(line, " level=warning "));
			reported += number_after(line, " lines=");
			continue;
		}
		uint64_t n = number_after(line, " event=number n=");
		assert_true(n >= least);
		least = n + 1;
		seen++;
	}
	assert_int_equal(seen + reported, events);
	return reported;
}

static struct reader reader;

static int open_pipe(void)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	reader.fd = fds[0];
	reader.len = reader.at = 0;
	return fds[1];
}

/* A full disk loses lines and counts them; when there is a good file again, a line in it tells. */
static void test_full_disk(void **state)
{
	static _Atomic uint64_t lost;
	uint64_t events = 0;

	(void)state;
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	if (full < 0)
		skip();
	struct log *log = open_log(full, &lost);
	while (atomic_load(&lost) < 100) {
		log_number_line(log, events++);
		assert_true(events < 10 * LOG_RING_BYTES / 512);
	}
	assert_true(events > LOG_RING_BYTES / 1024);
	log_reopen(log, open_pipe());
	uint64_t reported = account_for(&reader, events);
	assert_int_equal(reported, atomic_load(&lost));
	for (unsigned i = 0; i < 10; i++) /* and all is well again */
		log_number_line(log, i);
	assert_int_equal(account_for(&reader, 10), 0);
	assert_int_equal(atomic_load(&lost), reported);
	log_close(log);
	close(reader.fd);
	close(full);
}

/* Nothing takes what is left: log_close gives up on it. */
static void test_close_with_full_disk(void **state)
{
	static _Atomic uint64_t lost;

	(void)state;
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	if (full < 0)
		skip();
	struct log *log = open_log(full, &lost);
	log_number_line(log, 0);
	log_close(log);
	close(full);
}

/* A pipe that is not read for a time holds up nobody, and nothing goes unaccounted for when it is read again. */
static void test_slow_reader(void **state)
{
	static _Atomic uint64_t lost;
	uint64_t events = 0;

	(void)state;
	int fd = open_pipe();
	struct log *log = open_log(fd, &lost);
	while (atomic_load(&lost) < 100)
		log_number_line(log, events++);
	assert_int_equal(account_for(&reader, events), atomic_load(&lost));
	log_close(log);
	close(fd);
	close(reader.fd);
}

static struct log *stuck; /* its writer is in write(2) until the process ends: see log_close */

static void test_close_with_stuck_pipe(void **state)
{
	static _Atomic uint64_t lost;
	uint64_t began_ns;

	(void)state;
	stuck = open_log(open_pipe(), &lost);
	for (uint64_t i = 0; atomic_load(&lost) == 0; i++)
		log_number_line(stuck, i);
	began_ns = clock_now_ns();
	log_close(stuck);
	assert_true(clock_now_ns() - began_ns < UINT64_C(10000000000)); /* a second is meant, ten are a hang */
}

static void *thread_main(void *arg)
{
	struct log *log = *(struct log **)arg;
	struct log_line line;
	static _Atomic unsigned threads;
	unsigned thread = atomic_fetch_add(&threads, 1) % THREADS;

	for (unsigned i = 0; i < LINES; i++) {
		char fill[200];
		memset(fill, 'a' + (int)thread, sizeof(fill));
		log_begin(&line, log, LOG_INFO, "thread");
		log_number(&line, "thread", thread);
		log_number(&line, "n", i);
		log_bytes(&line, "fill", fill, 1 + i * 7 % sizeof(fill));
		log_end(&line);
	}
	return NULL;
}

/* Lines of many threads are whole, each thread's in their order. 4,000 of them fit into the ring: none is lost. */
static void test_threads(void **state)
{
	static _Atomic uint64_t lost;
	pthread_t thread[THREADS];
	unsigned next[THREADS] = {0};

	(void)state;
	int fd = open_pipe();
	struct log *log = open_log(fd, &lost);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, thread_main, &log), 0);
	for (unsigned i = 0; i < THREADS * LINES; i++) {
		char *line = read_line(&reader), fill[256];
		check_line(line);
		uint64_t from = number_after(line, " event=thread thread="), n = number_after(line, " n=");
		assert_true(from < THREADS);
		assert_int_equal(n, next[from]++);
		size_t len = 1 + n * 7 % 200;
		memset(fill, 'a' + (int)from, len);
		fill[len] = '\0';
		assert_string_equal(strstr(line, " fill=") + 6, fill);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(atomic_load(&lost), 0);
	log_close(log);
	close(fd);
	close(reader.fd);
}

int main(void)
{
	const char *given = getenv("TEST_SEED");
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_hostile_values),
	    cmocka_unit_test(test_long_lines),
	    cmocka_unit_test(test_levels),
	    cmocka_unit_test(test_reopen),
	    cmocka_unit_test(test_full_disk),
	    cmocka_unit_test(test_close_with_full_disk),
	    cmocka_unit_test(test_slow_reader),
	    cmocka_unit_test(test_threads),
	    cmocka_unit_test(test_close_with_stuck_pipe),
	};

	signal(SIGPIPE, SIG_IGN);
	random_state = (given ? strtoull(given, NULL, 0) : clock_now_ns()) | 1;
	printf("TEST_SEED=%llu\n", (unsigned long long)random_state);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
