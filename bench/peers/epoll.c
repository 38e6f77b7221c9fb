/* The floor: the least a server can do to echo. One level-triggered epoll loop, one buffer, recv then send, no state.
 *
 * It keeps nothing for a connection, so it has nowhere to put what a slow reader does not take: the send blocks, and
 * everybody waits for that reader. No byte is lost, but it is no server for more than one client one can trust. */
#include "listener.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

static char buffer[256 * 1024];

static void welcome(int loop, int listener)
{
	int fd = accept(listener, NULL, NULL);
	struct epoll_event want = {.events = EPOLLIN, .data.fd = fd};

	if (fd >= 0 && epoll_ctl(loop, EPOLL_CTL_ADD, fd, &want))
		close(fd);
}

static void echo(int fd)
{
	ssize_t got = recv(fd, buffer, sizeof(buffer), 0);

	if (got <= 0 || send(fd, buffer, (size_t)got, MSG_NOSIGNAL) != got)
		close(fd);
}

int main(int argc, char **argv)
{
	int listener = listener_open(argc > 1 ? argv[1] : "7862"), loop = epoll_create1(0), count;
	struct epoll_event ready[256], want = {.events = EPOLLIN, .data.fd = listener};

	epoll_ctl(loop, EPOLL_CTL_ADD, listener, &want);
	while ((count = epoll_wait(loop, ready, 256, -1)) >= 0 || errno == EINTR)
		for (int i = 0; i < count; i++)
			if (ready[i].data.fd == listener)
				welcome(loop, listener);
			else
				echo(ready[i].data.fd);
	return 1;
}
