#include "log.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "text.h"

/* A batch of whole lines of at most PIPE_BUF bytes is one write that no other process's lines come into (pipe(7)). */
#define RETRY_MS   500
#define CLOSE_MS   1000
#define REST_MS    5 /* a burst costs 200 writes a second rather than one a line: a third of a short connection's cost */
#define MARGIN     64 /* room kept for the last field's key, quotes and LF */
#define VALUE_MAX  1024
#define REPORT_MAX 160
#define BATCH_MAX  (PIPE_BUF - REPORT_MAX)

struct log {
	enum log_level level;
	_Atomic uint64_t *lost;
	pthread_t writer;
	pthread_mutex_t lock;
	pthread_cond_t filled; /* for the writer */
	pthread_cond_t ended;  /* by the writer */
	/* under lock; 0 <= head - tail <= LOG_RING_BYTES */
	uint64_t head, tail;
	bool stopping, has_ended;
	bool resting; /* the writer is to be woken only when a batch is full */
	int next_fd;  /* to take over, or -1 */
	/* the writer's own */
	int fd;
	bool owns_fd;
	uint64_t lost_reported;
	char ring[LOG_RING_BYTES];
};

static const char *const level_name[] = {
    [LOG_ERROR] = "error",
    [LOG_WARNING] = "warning",
    [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug",
};

static void ring_copy_in(struct log *log, const char *text, size_t len)
{
	size_t at = log->head % LOG_RING_BYTES;
	size_t first = len < LOG_RING_BYTES - at ? len : LOG_RING_BYTES - at;

	memcpy(log->ring + at, text, first);
	memcpy(log->ring, text + first, len - first);
	log->head += len;
}

/* Copies whole lines into batch and returns their length. */
static size_t ring_take_lines(struct log *log, char *batch)
{
	uint64_t held = log->head - log->tail;
	size_t n = held < BATCH_MAX ? (size_t)held : BATCH_MAX;
	size_t at = log->tail % LOG_RING_BYTES;
	size_t first = n < LOG_RING_BYTES - at ? n : LOG_RING_BYTES - at;

	memcpy(batch, log->ring + at, first);
	memcpy(batch + first, log->ring, n - first);
	while (n > 0 && batch[n - 1] != '\n')
		n--;
	log->tail += n;
	if (log->tail == log->head) /* so the same part of the ring is used while the disk keeps up */
		log->tail = log->head = 0;
	return n;
}

static struct timespec after_ms(long ms)
{
	struct timespec then;

	clock_gettime(CLOCK_MONOTONIC, &then);
	then.tv_nsec += ms * 1000000;
	then.tv_sec += then.tv_nsec / 1000000000;
	then.tv_nsec %= 1000000000;
	return then;
}

static void take_next_fd(struct log *log)
{
	if (log->next_fd < 0)
		return;
	if (log->owns_fd)
		close(log->fd);
	log->fd = log->next_fd;
	log->owns_fd = true;
	log->next_fd = -1;
}

/*
 * Writes it all, waiting out a full disk; a descriptor that was changed meanwhile gets the rest. Returns false when
 * the log is closing and the disk does not take it. Called and returns with the lock held.
 */
static bool write_batch(struct log *log, const char *batch, size_t len)
{
	while (len > 0) {
		int fd = log->fd;
		pthread_mutex_unlock(&log->lock);
		ssize_t n = write(fd, batch, len);
		int err = n < 0 ? errno : 0;
		pthread_mutex_lock(&log->lock);
		if (n > 0) {
			batch += n;
			len -= (size_t)n;
			continue;
		}
		if (err == EINTR)
			continue;
		if (log->stopping)
			return false;
		struct timespec retry = after_ms(RETRY_MS);
		pthread_cond_timedwait(&log->filled, &log->lock, &retry);
		take_next_fd(log);
	}
	return true;
}

static size_t format_report(struct log *log, char *text)
{
	uint64_t lost = atomic_load(log->lost);
	char when[CLOCK_TEXT_MAX];

	if (lost <= log->lost_reported) {
		log->lost_reported = lost;
		return 0;
	}
	clock_format(when, clock_wall_us());
	int n = snprintf(text, REPORT_MAX, "time=%s level=warning event=log_lost lines=%llu\n", when,
	                 (unsigned long long)(lost - log->lost_reported));
	log->lost_reported = lost;
	return (size_t)n;
}

/* Lines that come one behind the other are written together: for a moment after each write they only gather. */
static void rest(struct log *log)
{
	struct timespec until = after_ms(REST_MS);

	log->resting = true;
	while (!log->stopping && log->next_fd < 0 && log->head - log->tail < BATCH_MAX &&
	       pthread_cond_timedwait(&log->filled, &log->lock, &until) != ETIMEDOUT)
		;
	log->resting = false;
}

static void *writer_main(void *arg)
{
	struct log *log = arg;
	char batch[BATCH_MAX + REPORT_MAX];

	pthread_mutex_lock(&log->lock);
	for (;;) {
		take_next_fd(log);
		size_t n = ring_take_lines(log, batch);
		if (n == 0) {
			if (log->stopping)
				break;
			pthread_cond_wait(&log->filled, &log->lock);
			continue;
		}
		n += format_report(log, batch + n);
		if (!write_batch(log, batch, n))
			break;
		rest(log);
	}
	log->has_ended = true;
	pthread_cond_signal(&log->ended);
	pthread_mutex_unlock(&log->lock);
	return NULL;
}

int log_open(struct log **out, int fd, enum log_level level, _Atomic uint64_t *lost)
{
	struct log *log = calloc(1, sizeof(*log));
	pthread_condattr_t attr;

	if (!log)
		return -ENOMEM;
	memset(log->ring, '\n', sizeof(log->ring)); /* its memory is there before it is needed */
	log->level = level;
	log->lost = lost;
	log->lost_reported = atomic_load(lost);
	log->fd = fd;
	log->next_fd = -1;
	pthread_mutex_init(&log->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&log->filled, &attr);
	pthread_cond_init(&log->ended, &attr);
	pthread_condattr_destroy(&attr);
	int err = pthread_create(&log->writer, NULL, writer_main, log);
	if (err) {
		free(log);
		return -err;
	}
	*out = log;
	return 0;
}

void log_reopen(struct log *log, int fd)
{
	pthread_mutex_lock(&log->lock);
	if (log->next_fd >= 0)
		close(log->next_fd);
	log->next_fd = fd;
	pthread_cond_signal(&log->filled);
	pthread_mutex_unlock(&log->lock);
}

/* Returns whether the writer has ended. */
static bool stop_writer(struct log *log)
{
	struct timespec until = after_ms(CLOSE_MS);

	pthread_mutex_lock(&log->lock);
	log->stopping = true;
	pthread_cond_signal(&log->filled);
	while (!log->has_ended && pthread_cond_timedwait(&log->ended, &log->lock, &until) != ETIMEDOUT)
		;
	bool has_ended = log->has_ended;
	pthread_mutex_unlock(&log->lock);
	return has_ended && pthread_join(log->writer, NULL) == 0;
}

void log_finish(struct log *log)
{
	if (log)
		(void)stop_writer(log);
}

void log_close(struct log *log)
{
	/* A pipe that nobody reads holds the writer in write(2): it is left to the process's end, with its memory. */
	if (!log || !stop_writer(log))
		return;
	take_next_fd(log);
	if (log->owns_fd)
		close(log->fd);
	pthread_cond_destroy(&log->filled);
	pthread_cond_destroy(&log->ended);
	pthread_mutex_destroy(&log->lock);
	free(log);
}

bool log_wants(const struct log *log, enum log_level level)
{
	return log && level <= log->level;
}

int log_level_parse(const char *text, enum log_level *out)
{
	for (size_t i = 0; i < array_size(level_name); i++) {
		if (strcmp(text, level_name[i]) == 0) {
			*out = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

void log_begin(struct log_line *line, struct log *log, enum log_level level, const char *event)
{
	char when[CLOCK_TEXT_MAX];

	line->log = log_wants(log, level) ? log : NULL;
	line->len = 0;
	if (!line->log)
		return;
	clock_format(when, clock_wall_us());
	int n = snprintf(line->text, sizeof(line->text), "time=%s level=%s event=%s", when, level_name[level], event);
	line->len = (size_t)n;
}

void log_bytes(struct log_line *line, const char *key, const void *value, size_t len)
{
	if (!line->log)
		return;
	size_t key_len = strlen(key);
	if (line->len + key_len + MARGIN >= sizeof(line->text))
		return;
	const unsigned char *v = value;
	bool quoted = len == 0;
	for (size_t i = 0; i < len && !quoted; i++)
		quoted = v[i] == ' ' || v[i] == '=' || v[i] == '"' || v[i] == '\\';
	char *at = line->text + line->len;
	*at++ = ' ';
	memcpy(at, key, key_len);
	at += key_len;
	*at++ = '=';
	if (quoted)
		*at++ = '"';
	size_t room = (size_t)(line->text + sizeof(line->text) - at) - 4;
	at += text_escape(at, room < VALUE_MAX ? room : VALUE_MAX, value, len);
	if (quoted)
		*at++ = '"';
	line->len = (size_t)(at - line->text);
}

void log_text(struct log_line *line, const char *key, const char *value)
{
	log_bytes(line, key, value, strlen(value));
}

void log_number(struct log_line *line, const char *key, int64_t value)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%lld", (long long)value);

	log_bytes(line, key, text, (size_t)n);
}

void log_end(struct log_line *line)
{
	struct log *log = line->log;

	if (!log)
		return;
	line->text[line->len++] = '\n';
	pthread_mutex_lock(&log->lock);
	bool was_empty = log->head == log->tail;
	if (LOG_RING_BYTES - (log->head - log->tail) < line->len)
		atomic_fetch_add(log->lost, 1);
	else
		ring_copy_in(log, line->text, line->len);
	if (log->resting ? log->head - log->tail >= BATCH_MAX : was_empty)
		pthread_cond_signal(&log->filled);
	pthread_mutex_unlock(&log->lock);
}

void log_event(struct log *log, enum log_level level, const char *event, const char *fmt, ...)
{
	struct log_line line;
	char msg[VALUE_MAX];
	va_list args;

	if (!log_wants(log, level))
		return;
	va_start(args, fmt);
	vsnprintf(msg, sizeof(msg), fmt, args);
	va_end(args);
	log_begin(&line, log, level, event);
	log_text(&line, "msg", msg);
	log_end(&line);
}
