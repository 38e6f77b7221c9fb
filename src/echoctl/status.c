#include "status.h"

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
#include "json.h"
#include "program.h"
#include "report.h"
#include "text.h"

#define ANSWER_MS  5000
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

/* Connects to the newest server that accepts. Returns a descriptor or a negative errno. */
static int dial_newest(const char *path)
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

static ssize_t ask(int fd, char *answer)
{
	static const char request[] = "status\n";

	if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != (ssize_t)(sizeof(request) - 1))
		return -errno;
	return read_answer(fd, answer);
}

/* Prints the document: as it is, or as lines for a person. */
static int print(bool json, char *answer, size_t len)
{
	char *text = NULL;
	size_t text_len = 0;
	FILE *out = open_memstream(&text, &text_len);
	char *copy = json ? strndup(answer, len) : NULL; /* json_show overwrites what it reads */
	int status = REPORT_FAILED;

	if (!out || (json && !copy))
		report_fail(json, status, "Cannot show the server's status: memory is out; free some.");
	else if (json_show(out, answer, len) || fflush(out) != 0)
		report_fail(json, status,
		            "Cannot read the status that the server sent: it is no JSON document; see that echod and "
		            "echoctl are of one version.");
	else
		status = json ? report_print(copy, len) : report_print(text, text_len);
	if (out)
		fclose(out);
	free(text);
	free(copy);
	return status;
}

static int run_in(bool json, const char *folder)
{
	int fd = dial_newest(folder);

	if (fd < 0)
		return report_fail(
		    json, REPORT_UNREACHABLE,
		    "No running server answers in %.300s (%s); start echod, or name its state directory with --state.",
		    folder, strerror(-fd));
	char *answer = malloc(ANSWER_MAX);
	ssize_t len = answer ? ask(fd, answer) : -ENOMEM;
	int status;
	if (len < 0)
		status =
		    report_fail(json, REPORT_UNREACHABLE,
		                "The server in %.300s did not tell its status: %s; try again, or look into its log.",
		                folder, strerror((int)-len));
	else
		status = print(json, answer, (size_t)len);
	close(fd);
	free(answer);
	return status;
}

int status_run(const struct options *o)
{
	char *state = program_state_dir(o->state), *folder = NULL;

	if (o->words > 1) {
		free(state);
		return report_usage(o->json, "'status' does not want the word '%.100s'.", o->word[1]);
	}
	if (state && asprintf(&folder, "%s/run", state) < 0)
		folder = NULL;
	free(state);
	if (!folder)
		return report_fail(
		    o->json, REPORT_FAILED,
		    "Cannot tell where the server keeps its state: there is no home directory; give --state.");
	int status = run_in(o->json, folder);
	free(folder);
	return status;
}
