#include "history.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "state.h"
#include "trace.h"
#include "typed.h"

#define NAME      "history"
#define LINE_MOST 4096                      /* bytes of a line that is kept: longer ones are hardly typed again */
#define FILE_MOST ((size_t)4 * 1024 * 1024) /* of the file's end that is looked at */

bool history_may_keep(const char *line, size_t len, const struct secret *secret)
{
	size_t from;

	if (len == 0 || len > LINE_MOST || line[0] == ' ' || line[0] == '\t')
		return false;
	if (secret->known && memmem(line, len, secret->text, secret->len))
		return false;
	(void)typed_read(line, len, &from);
	while (from < len && strchr("/ \t", line[from])) /* /PASS is a slip, and no less a secret */
		from++;
	return trace_secret_at(line + from, len - from) == len - from;
}

/* Returns a descriptor or a negative errno. */
static int open_file(int flags)
{
	char *path;
	int folder = state_open(true, &path), fd = folder;

	if (folder >= 0) {
		fd = state_open_file(folder, NAME, flags | O_CREAT);
		close(folder);
	}
	free(path);
	return fd;
}

/* Reads the end of the file, at most FILE_MOST bytes. Returns the number, or a negative errno. */
static ssize_t read_end(int fd, char **text)
{
	struct stat st;

	*text = NULL;
	if (fstat(fd, &st) < 0)
		return -errno;
	size_t len = (size_t)st.st_size < FILE_MOST ? (size_t)st.st_size : FILE_MOST;
	*text = malloc(len + 1);
	if (!*text)
		return -ENOMEM;
	ssize_t n = pread(fd, *text, len, st.st_size - (off_t)len);
	return n < 0 ? -errno : n;
}

/* Where the last HISTORY_LINES of the lines begin. */
static size_t last_lines(const char *text, size_t len)
{
	size_t at = len;

	assert(text);
	for (unsigned lines = 0; at > 0; at--) {
		if (text[at - 1] == '\n' && lines++ == HISTORY_LINES)
			break;
	}
	return at;
}

/* Leaves these len bytes in the file. Written first and cut then: what fails loses nothing. */
static void cut_to(int fd, const char *text, size_t len)
{
	if (pwrite(fd, text, len, 0) == (ssize_t)len)
		(void)!ftruncate(fd, (off_t)len);
}

static void give_lines(const char *text, size_t len, void (*take)(void *, const char *, size_t), void *context)
{
	const char *lf;

	while (len > 0 && (lf = memchr(text, '\n', len))) {
		size_t n = (size_t)(lf - text);
		if (n > 0)
			take(context, text, n);
		text += n + 1;
		len -= n + 1;
	}
}

int history_load(void (*take)(void *, const char *, size_t), void *context)
{
	char *text;
	int fd = open_file(O_RDWR);

	if (fd < 0)
		return fd;
	bool alone = flock(fd, LOCK_EX | LOCK_NB) == 0; /* else another is at it, and nothing is cut this time */
	ssize_t len = read_end(fd, &text);
	if (len > 0) {
		size_t from = last_lines(text, (size_t)len);
		if (alone && from > 0)
			cut_to(fd, text + from, (size_t)len - from);
		give_lines(text + from, (size_t)len - from, take, context);
	}
	free(text);
	close(fd);
	return len < 0 ? (int)len : 0;
}

/* The lock keeps those who cut the file away, and lets others add: O_APPEND keeps lines whole. */
int history_add(const char *line, size_t len)
{
	struct iovec parts[] = {{.iov_base = (void *)(uintptr_t)line, .iov_len = len},
	                        {.iov_base = "\n", .iov_len = 1}};
	int fd = open_file(O_WRONLY | O_APPEND), err = 0;

	if (fd < 0)
		return fd;
	(void)flock(fd, LOCK_SH);
	if (writev(fd, parts, 2) < 0)
		err = -errno;
	close(fd);
	return err;
}
