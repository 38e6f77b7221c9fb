#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "file.h"

#define PAUSE_MS 100

static void name_of(const char *ending, char name[32])
{
	snprintf(name, 32, "%ld.%s", (long)getpid(), ending);
}

static void drop_client(struct control_client *client)
{
	loop_disarm(client->control->loop, &client->deadline);
	loop_remove(client->control->loop, &client->source);
	close(client->source.fd);
	client->source.fd = -1;
}

/* A document is a few KiB, and an idle socket's buffer takes it whole; a client that does not read gets what it took.
 */
static void reply(struct control_client *client)
{
	struct control *control = client->control;
	size_t len = 0;
	char *document = control->answer(control->arg, client->line, &len);

	if (document)
		(void)!send(client->source.fd, document, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	else
		(void)!dprintf(client->source.fd, "{\"error\": \"that command is not known: say status\"}\n");
	free(document);
	drop_client(client);
}

static void client_ready(struct loop_source *source, uint32_t events)
{
	struct control_client *client = container_of(source, struct control_client, source);
	ssize_t n = recv(source->fd, client->line + client->len, sizeof(client->line) - client->len, MSG_DONTWAIT);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		client->len += (size_t)n;
	char *end = memchr(client->line, '\n', client->len);
	if (end) {
		*end = '\0';
		reply(client);
	} else if (n <= 0 || client->len == sizeof(client->line)) {
		drop_client(client);
	}
}

static void client_late(struct deadline *d)
{
	drop_client(container_of(d, struct control_client, deadline));
}

static bool is_trusted(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && (cred.uid == geteuid() || cred.uid == 0);
}

static struct control_client *free_client(struct control *control)
{
	for (int i = 0; i < CONTROL_CLIENTS; i++) {
		if (control->client[i].source.fd < 0)
			return &control->client[i];
	}
	return NULL;
}

static void accept_again(struct deadline *d)
{
	struct control *control = container_of(d, struct control, pause);

	loop_change(control->loop, &control->source, EPOLLIN);
}

static void control_ready(struct loop_source *source, uint32_t events)
{
	struct control *control = container_of(source, struct control, source);
	int fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct control_client *client = free_client(control);

	(void)events;
	if (fd < 0) { /* for want of descriptors: the listener stays ready, and must not keep the loop busy */
		loop_change(control->loop, source, 0);
		loop_arm(control->loop, &control->pause, PAUSE_MS);
		return;
	}
	if (!client || !is_trusted(fd)) {
		close(fd);
		return;
	}
	*client = (struct control_client){.source = {.fd = fd, .ready = client_ready}, .control = control};
	deadline_init(&client->deadline, client_late);
	if (loop_add(control->loop, &client->source, EPOLLIN) < 0) {
		close(fd);
		client->source.fd = -1;
		return;
	}
	loop_arm(control->loop, &client->deadline, CONTROL_TIME_MS);
}

/* A path by way of the open folder: a state directory may be deeper than sun_path is long. */
static int listen_in(int folder, const char *name)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s", folder, name);
	unlinkat(folder, name, 0); /* left by a process that had our number */
	mode_t old = umask(0177);
	int err = bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, CONTROL_CLIENTS) < 0 ? -errno : 0;
	umask(old);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

int control_open(struct control *control, struct loop *loop, const char *state,
                 char *(*answer)(void *, const char *, size_t *), void *arg)
{
	char name[32];

	*control = (struct control){.loop = loop, .folder = -1, .answer = answer, .arg = arg};
	control->source = (struct loop_source){.fd = -1, .ready = control_ready};
	deadline_init(&control->pause, accept_again);
	for (int i = 0; i < CONTROL_CLIENTS; i++)
		control->client[i].source.fd = -1;
	int err = file_make_folder(state);
	if (err)
		return err;
	control->folder = file_open_folder(state, "run");
	if (control->folder < 0)
		return control->folder;
	name_of("sock", name);
	control->source.fd = listen_in(control->folder, name);
	if (control->source.fd < 0)
		return control->source.fd;
	return loop_add(loop, &control->source, EPOLLIN);
}

int control_publish(struct control *control, const char *ready_line)
{
	char name[32];

	if (control->folder < 0)
		return 0;
	name_of("ready", name);
	return file_write_by_rename(control->folder, name, ready_line);
}

void control_close(struct control *control)
{
	char name[32];

	if (!control->loop)
		return;
	for (int i = 0; i < CONTROL_CLIENTS; i++) {
		if (control->client[i].source.fd >= 0)
			drop_client(&control->client[i]);
	}
	if (control->source.fd >= 0) {
		name_of("sock", name);
		unlinkat(control->folder, name, 0);
		loop_disarm(control->loop, &control->pause);
		loop_remove(control->loop, &control->source);
		close(control->source.fd);
		control->source.fd = -1;
	}
	if (control->folder >= 0) {
		name_of("ready", name);
		unlinkat(control->folder, name, 0);
		close(control->folder);
		control->folder = -1;
	}
}
