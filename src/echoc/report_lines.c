#include "report_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE ((size_t)256 * 1024) /* of one read: it stays in the cache until it is parsed */

int report_lines_open(struct report_lines *l, const char *file)
{
	bool is_stdin = strcmp(file, "-") == 0;

	*l = (struct report_lines){.fd = is_stdin ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC), .next = 1};
	if (l->fd < 0)
		return -errno;
	l->data = malloc(REPORT_DOCUMENT_MAX);
	if (l->data)
		return 0;
	report_lines_close(l);
	return -ENOMEM;
}

void report_lines_close(struct report_lines *l)
{
	free(l->data);
	if (l->fd != STDIN_FILENO)
		close(l->fd);
}

/* Reads more behind what there is. Returns whether something came. */
static bool fetch(struct report_lines *l)
{
	size_t left = l->len - l->at;

	if (l->ended || left == REPORT_DOCUMENT_MAX)
		return false;
	memmove(l->data, l->data + l->at, left);
	l->at = 0;
	l->len = left;
	size_t room = REPORT_DOCUMENT_MAX - left;
	ssize_t n;
	do
		n = read(l->fd, l->data + left, room < PIECE ? room : PIECE);
	while (n < 0 && errno == EINTR);
	l->ended = n <= 0;
	l->error = n < 0 ? -errno : 0;
	l->len += n > 0 ? (size_t)n : 0;
	return n > 0;
}

/* Length of the line that begins `from` bytes behind at, with its end; without one where *whole becomes false. */
static size_t measure(struct report_lines *l, size_t from, bool *whole)
{
	size_t seen = from;

	for (;;) {
		const char *begin = l->data + l->at;
		const char *end = memchr(begin + seen, '\n', l->len - l->at - seen);
		*whole = end;
		if (end)
			return (size_t)(end - begin) + 1 - from;
		seen = l->len - l->at;
		if (!fetch(l))
			return l->len - l->at - from;
	}
}

/* Whether the line is this one character and white space. */
static bool is_just(const char *line, size_t len, char c)
{
	while (len > 0 && memchr(" \t\r\n", line[len - 1], 4))
		len--;
	return len == (c ? 1 : 0) && (!c || line[0] == c);
}

/* Length of the document of several lines whose first one is len bytes long; *whole as above. */
static size_t measure_block(struct report_lines *l, size_t len, bool *whole)
{
	bool is_last = false;

	while (*whole && !is_last) {
		size_t more = measure(l, len, whole);
		is_last = is_just(l->data + l->at + len, more, '}');
		len += more;
		l->next++;
	}
	*whole |= is_last;
	return len;
}

/* What it means that a line does not end. */
static enum report_lines_result unfinished(const struct report_lines *l, size_t len)
{
	if (l->error)
		return REPORT_LINES_FAILED;
	if (!l->ended)
		return REPORT_LINES_TOO_LONG;
	return len ? REPORT_LINES_CUT : REPORT_LINES_END;
}

enum report_lines_result report_lines_next(struct report_lines *l, const char **text, size_t *len)
{
	bool whole;

	do {
		l->line = l->next++;
		*len = measure(l, 0, &whole);
		if (whole && is_just(l->data + l->at, *len, '{'))
			*len = measure_block(l, *len, &whole);
		*text = l->data + l->at;
		l->at += *len;
	} while (whole && is_just(*text, *len, '\0'));
	return whole ? REPORT_LINES_ONE : unfinished(l, *len);
}
