/*
 * The log: logfmt, one event a line, every untrusted byte escaped. Lines go through a bounded ring to a thread that
 * writes them, so that no disk ever slows whoever logs; the first at once, and those of the next milliseconds together,
 * so that many short connections do not cost a write each; a process that is killed loses those. What finds the ring
 * full is dropped, counted, and reported in a line of its own (`event=log_lost lines=N`) when there is room again.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "must.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

#define LOG_LINE_MAX   2048          /* with its LF; a longer one loses its last fields, never its end */
#define LOG_RING_BYTES (1024 * 1024) /* about 8,000 lines: what a disk may be behind */

struct log;

/*
 * Starts a log that writes to fd, which stays the caller's until log_reopen or log_close returns and must be open for
 * appending. lost counts dropped lines and may be in shared memory. Returns 0 or a negative errno.
 */
int log_open(struct log **out, int fd, enum log_level level, _Atomic uint64_t *lost) MUST_CHECK;
/* Writes go to fd from the next batch on; the old descriptor is closed by the writer's thread. Takes fd over. */
void log_reopen(struct log *, int fd);
/* Writes what is left, for at most a second, ends the thread, closes a descriptor that log_reopen brought, and frees.
 */
void log_close(struct log *);
/* The same for a process that ends while other threads may still log: frees nothing, and they may. NULL is harmless. */
void log_finish(struct log *);

bool log_wants(const struct log *, enum log_level);
/* The level by its name, or -EINVAL. */
int log_level_parse(const char *text, enum log_level *out) MUST_CHECK;

/* A line being made, on the caller's stack. Any thread may make one. */
struct log_line {
	struct log *log;
	size_t len;
	char text[LOG_LINE_MAX];
};

/* Begins `time=… level=… event=EVENT`. log may be NULL, and then nothing is written. */
void log_begin(struct log_line *, struct log *, enum log_level, const char *event);
/* A field; the value is escaped, and quoted where logfmt wants it. */
void log_text(struct log_line *, const char *key, const char *value);
void log_bytes(struct log_line *, const char *key, const void *value, size_t len);
void log_number(struct log_line *, const char *key, int64_t value);
/* Hands the line over. */
void log_end(struct log_line *);

/* A whole event with one sentence in msg. */
void log_event(struct log *, enum log_level, const char *event, const char *fmt, ...) PRINTF_LIKE(4, 5);

#endif
