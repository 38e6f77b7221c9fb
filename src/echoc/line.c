#include "line.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <unistd.h>

int line_read(int fd, char *line, size_t cap, const sigset_t *mask)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	bool too_long = false;
	size_t len = 0;
	char c;

	for (;;) {
		if (ppoll(&p, 1, NULL, mask) < 0)
			return -errno;
		ssize_t n = read(fd, &c, 1);
		if (n < 0 && errno == EAGAIN)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0 && len == 0 && !too_long)
			return -ENODATA;
		if (n == 0 || c == '\n')
			break;
		if (len + 1 < cap)
			line[len++] = c;
		else
			too_long = true;
	}
	line[len] = '\0';
	return too_long ? -E2BIG : 0;
}
