#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel.h"

#define LONG_LIFE_MS   30000
#define BACKOFF_MS     500
#define BACKOFF_MAX_MS 30000
#define ORDERS_BYTES   (1024 * 1024) /* cut to net.core.wmem_max, whose default takes about 180 orders */

extern char **environ;

static int find_path(const char *program, char path[PATH_MAX])
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n > 0) {
		self[n] = '\0';
		char *slash = strrchr(self, '/');
		if (slash && snprintf(path, PATH_MAX, "%.*s/%s", (int)(slash - self), self, program) < PATH_MAX &&
		    access(path, X_OK) == 0)
			return 0;
	}
	snprintf(path, PATH_MAX, "%s/%s", ECHOD_LIBEXEC, program);
	return access(path, X_OK) == 0 ? 0 : -errno;
}

int child_find(struct child *child)
{
	char path[PATH_MAX];
	int err = find_path(child->program, path);

	if (err)
		return err;
	int fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	child->program_fd = fcntl(fd, F_DUPFD_CLOEXEC, ORDER_FD + 1); /* ORDER_FD is another one's in the child */
	err = child->program_fd < 0 ? -errno : 0;
	close(fd);
	child->path = strdup(path);
	return err ? err : child->path ? 0 : -ENOMEM;
}

void child_forget(struct child *child)
{
	if (child->program_fd >= 0)
		close(child->program_fd);
	child->program_fd = -1;
	free(child->path);
	child->path = NULL;
}

/*
 * By its path a program has its name in all that lists processes from the first instant, and is the newly installed one
 * after an upgrade; but the path may lead through folders that the user may not enter, as a clone in root's home does.
 */
static void path_to_execute(const struct child *child, char path[PATH_MAX])
{
	if (access(child->path, X_OK) == 0)
		snprintf(path, PATH_MAX, "%s", child->path);
	else
		snprintf(path, PATH_MAX, "/proc/self/fd/%d", child->program_fd);
}

static int spawn(struct child *child, const char *path, int order_fd)
{
	posix_spawn_file_actions_t actions;
	char *argv[] = {(char *)(size_t)child->program, NULL};

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, order_fd, ORDER_FD); /* and no longer close-on-exec */
	/* The signal mask stays as it is here: all that the parent takes is blocked, so the terminal's do not reach it.
	 */
	int err = posix_spawn(&child->pid, path, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (err)
		child->pid = 0;
	return -err;
}

/*
 * The kernel hands on from the memory that executes whether the new one may be looked into, until the new program is
 * all there. So the parent is not undumpable for as long as that takes: or its child, too, would belong to root here.
 */
static DIR *open_descriptors(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%ld/fd", (long)pid);
	return opendir(path);
}

int child_start(struct child *child, uint64_t now_ms)
{
	char path[PATH_MAX];
	int ends[2], room = ORDERS_BYTES;
	int err = channel_pair(ends);

	if (err)
		return err;
	path_to_execute(child, path);
	/* Room for all that a start hands over: a listener or a link is an order of its own. */
	(void)setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	err = spawn(child, path, ends[1]);
	if (!err)
		child->descriptors = open_descriptors(child->pid);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	close(ends[1]);
	if (err) {
		close(ends[0]);
		return err;
	}
	child->fd = ends[0];
	child->ready = false;
	child->started_ms = now_ms;
	return 0;
}

void child_order(struct child *child, const struct order *order, int pass_fd)
{
	if (child->fd >= 0 && channel_send(child->fd, order, sizeof(*order), pass_fd, 1) && child->pid)
		kill(child->pid, SIGKILL);
}

void child_hang_up(struct child *child)
{
	if (child->fd >= 0)
		close(child->fd);
	child->fd = -1;
	if (child->descriptors)
		closedir(child->descriptors);
	child->descriptors = NULL;
}

uint64_t child_backoff_ms(struct child *child, uint64_t now_ms)
{
	uint64_t wait = child->backoff_ms;

	child->restarts++;
	if (now_ms - child->started_ms >= LONG_LIFE_MS)
		wait = 0;
	child->backoff_ms = wait == 0 ? BACKOFF_MS : wait * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : wait * 2;
	return wait;
}
