#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST (256 * 1024)

void output_open(struct output *o)
{
	struct stat st;

	*o = (struct output){.fd = STDOUT_FILENO, .most = PIPE_BUF};
	if (fstat(STDOUT_FILENO, &st) < 0)
		return;
	o->is_socket = S_ISSOCK(st.st_mode);
	if (S_ISREG(st.st_mode) || o->is_socket)
		o->most = MOST;
	if (!S_ISFIFO(st.st_mode))
		return;
	/* O_NONBLOCK on our descriptor would be seen by everyone who shares it, so the pipe is opened a second time.
	 * Where /proc is missing, PIPE_BUF bytes after POLLOUT do not block either. */
	int fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0) {
		o->fd = fd;
		o->is_own = 1;
		o->most = MOST;
	}
}

void output_close(struct output *o)
{
	if (o->is_own)
		close(o->fd);
}

ssize_t output_write(struct output *o, const void *data, size_t len)
{
	size_t n = len < o->most ? len : o->most;
	ssize_t done = o->is_socket ? send(o->fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL) : write(o->fd, data, n);

	if (done < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	return done;
}
