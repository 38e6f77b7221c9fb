#include "server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "program.h"
#include "text.h"

#define ANSWER_MS  10000 /* the server itself waits for 7 s for its keeper */
#define ANSWER_MAX (1024 * 1024)

struct control_socket {
	char name[24]; /* PID.sock */
	struct timespec made;
};

static bool is_control_socket(const char *name)
{
	size_t digits = strspn(name, "0123456789");

	return digits > 0 && digits < 16 && strcmp(name + digits, ".sock") == 0;
}

static int newest_first(const void *a, const void *b)
{
	const struct timespec *x = &((const struct control_socket *)a)->made,
	                      *y = &((const struct control_socket *)b)->made;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? 1 : -1;
	return (x->tv_nsec < y->tv_nsec) - (x->tv_nsec > y->tv_nsec);
}

/* The control sockets in the folder, newest first; the caller's to free. Returns their number; 0 when memory is out,
 * too. */
static size_t list_sockets(DIR *folder, struct control_socket **out)
{
	size_t count = 0;

	*out = NULL;
	for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
		struct stat st;
		if (!is_control_socket(entry->d_name) ||
		    fstatat(dirfd(folder), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		struct control_socket *more = reallocarray(*out, count + 1, sizeof(*more));
		if (!more)
			break;
		*out = more;
		(void)text_copy(more[count].name, sizeof(more[count].name), entry->d_name);
		more[count++].made = st.st_mtim;
	}
	if (count > 1)
		qsort(*out, count, sizeof(**out), newest_first);
	return count;
}

/* Connects by way of the folder's descriptor: the path itself may be longer than an address holds. */
static int dial(int folder, const char *name)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s", folder, name);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	int err = -errno;
	close(fd);
	return err;
}

int server_dial(const char *path)
{
	struct control_socket *sockets;
	int fd = -ENOENT;
	DIR *folder = opendir(path);

	if (!folder)
		return -errno;
	size_t count = list_sockets(folder, &sockets);
	for (size_t i = 0; i < count && fd < 0; i++)
		fd = dial(dirfd(folder), sockets[i].name);
	free(sockets);
	closedir(folder);
	return fd;
}

/* Reads up to the stream's end into answer. Returns its length or a negative errno. */
static ssize_t read_answer(int fd, char *answer)
{
	uint64_t end_ms = clock_now_ns() / 1000000 + ANSWER_MS;
	size_t len = 0;

	for (;;) {
		uint64_t now_ms = clock_now_ns() / 1000000;
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int ready = now_ms < end_ms ? poll(&p, 1, (int)(end_ms - now_ms)) : 0;
		if (ready == 0)
			return -ETIMEDOUT;
		ssize_t n = ready < 0 ? -1 : recv(fd, answer + len, ANSWER_MAX - len, 0);
		if (n == 0)
			return (ssize_t)len;
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (n > 0 && (len += (size_t)n) == ANSWER_MAX)
			return -EMSGSIZE;
	}
}

ssize_t server_ask(int fd, const char *line, char **answer)
{
	size_t len = strlen(line);
	char *text = malloc(ANSWER_MAX);

	*answer = NULL;
	if (!text)
		return -ENOMEM;
	ssize_t n = send(fd, line, len, MSG_NOSIGNAL);
	n = n < 0 ? -errno : n != (ssize_t)len ? -EMSGSIZE : read_answer(fd, text);
	if (n < 0)
		free(text);
	else
		*answer = text;
	return n;
}

char *server_folder(const struct options *o)
{
	char *state = program_state_dir(o->state), *folder = NULL;

	if (state && asprintf(&folder, "%s/run", state) < 0)
		folder = NULL;
	free(state);
	return folder;
}
