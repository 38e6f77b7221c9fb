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
#define BACKLOG  64 /* a client that finds it full takes an older server */

static void name_of(const char *ending, char name[32])
{
	snprintf(name, 32, "%ld.%s", (long)getpid(), ending);
}

static void take_spares(struct control *control)
{
	for (int i = 0; i < CONTROL_SPARES; i++) {
		if (control->spare[i] < 0)
			control->spare[i] = fcntl(control->folder, F_DUPFD_CLOEXEC, 0);
	}
}

/* The first is for a client, all are for a command. */
static void give_spares(struct control *control, int count)
{
	for (int i = 0; i < count; i++) {
		if (control->spare[i] >= 0)
			close(control->spare[i]);
		control->spare[i] = -1;
	}
}

static void drop_client(struct control_client *client)
{
	struct control *control = client->control;
	bool waited = client->state == CONTROL_WAITING;

	loop_disarm(control->loop, &client->deadline);
	loop_remove(control->loop, &client->source);
	close(client->source.fd);
	client->source.fd = -1;
	free(client->answer.text);
	client->answer.text = NULL;
	if (waited)
		control->plan.gone(control->plan.arg, client);
	take_spares(control);
}

static void send_some(struct control_client *client)
{
	const struct document *answer = &client->answer;
	ssize_t n = send(client->source.fd, answer->text + client->sent, answer->len - client->sent,
	                 MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		client->sent += (size_t)n;
	if (n < 0 || client->sent == answer->len)
		drop_client(client);
}

void control_answer(struct control_client *client, struct document answer)
{
	client->answer = answer;
	client->state = CONTROL_SENDING;
	if (!answer.text) {
		drop_client(client);
		return;
	}
	loop_change(client->control->loop, &client->source, EPOLLOUT);
	loop_arm(client->control->loop, &client->deadline, CONTROL_TIME_MS);
	send_some(client);
}

/* The client may be gone when this returns. */
static void obey(struct control_client *client)
{
	struct control *control = client->control;

	client->state = CONTROL_WAITING;
	loop_disarm(control->loop, &client->deadline);
	loop_change(control->loop, &client->source, 0); /* its end is told all the same */
	give_spares(control, CONTROL_SPARES);
	control->plan.command(control->plan.arg, client, client->line);
	take_spares(control);
}

static void read_some(struct control_client *client)
{
	ssize_t n =
	    recv(client->source.fd, client->line + client->len, sizeof(client->line) - client->len, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		client->len += (size_t)n;
	char *end = memchr(client->line, '\n', client->len);
	if (end && memchr(client->line, '\0', (size_t)(end - client->line))) {
		control_answer(client, document_error(DOCUMENT_FAILED, "A command is text, without NUL."));
	} else if (end) {
		*end = '\0';
		obey(client);
	} else if (client->len == sizeof(client->line)) {
		control_answer(
		    client, document_error(DOCUMENT_FAILED, "A command has at most %d bytes.", CONTROL_LINE_MAX - 1));
	} else if (n <= 0) {
		drop_client(client);
	}
}

static void client_ready(struct loop_source *source, uint32_t events)
{
	struct control_client *client = container_of(source, struct control_client, source);

	switch (client->state) {
	case CONTROL_READING: read_some(client); break;
	case CONTROL_WAITING:
		if (events & (EPOLLHUP | EPOLLERR))
			drop_client(client);
		break;
	case CONTROL_SENDING: send_some(client); break;
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

/* Ends the client that has left us waiting longest. Returns whether there was one: one that waits for us stays. */
static bool drop_oldest(struct control *control)
{
	struct control_client *oldest = NULL;

	for (struct control_client *c = control->client; c < control->client + CONTROL_CLIENTS; c++) {
		if (c->source.fd >= 0 && c->state != CONTROL_WAITING && (!oldest || c->number < oldest->number))
			oldest = c;
	}
	if (oldest)
		drop_client(oldest);
	return oldest;
}

static struct control_client *find_room(struct control *control)
{
	for (int i = 0; i < CONTROL_CLIENTS; i++) {
		if (control->client[i].source.fd < 0)
			return &control->client[i];
	}
	return drop_oldest(control) ? find_room(control) : NULL;
}

static void accept_again(struct deadline *d)
{
	struct control *control = container_of(d, struct control, pause);

	loop_change(control->loop, &control->source, EPOLLIN);
}

/* Without a descriptor the spare one is given, and then those of older clients. */
static int accept_client(struct control *control)
{
	int fd;

	do {
		fd = accept4(control->source.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			give_spares(control, 1);
			fd = accept4(control->source.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		}
	} while (fd < 0 && errno != EAGAIN && drop_oldest(control));
	return fd;
}

static void begin(struct control *control, struct control_client *client, int fd)
{
	*client = (struct control_client){
	    .source = {.fd = fd, .ready = client_ready}, .control = control, .number = control->numbers++};
	deadline_init(&client->deadline, client_late);
	if (loop_add(control->loop, &client->source, EPOLLIN) < 0) {
		close(fd);
		client->source.fd = -1;
		return;
	}
	loop_arm(control->loop, &client->deadline, CONTROL_TIME_MS);
}

/* Whether one more client finds a place, or one that it may take; else all wait for us, and it waits in the queue. */
static bool has_room(const struct control *control)
{
	for (int i = 0; i < CONTROL_CLIENTS; i++) {
		if (control->client[i].source.fd < 0 || control->client[i].state != CONTROL_WAITING)
			return true;
	}
	return false;
}

static void control_ready(struct loop_source *source, uint32_t events)
{
	struct control *control = container_of(source, struct control, source);
	int fd = has_room(control) ? accept_client(control) : -1;
	struct control_client *client = fd >= 0 && is_trusted(fd) ? find_room(control) : NULL;

	(void)events;
	if (client) {
		begin(control, client, fd);
	} else if (fd >= 0) {
		close(fd);
	} else { /* the listener stays ready, and must not keep the loop busy */
		loop_change(control->loop, source, 0);
		loop_arm(control->loop, &control->pause, PAUSE_MS);
	}
	take_spares(control);
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
	int err = bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, BACKLOG) < 0 ? -errno : 0;
	umask(old);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

int control_open(struct control *control, struct loop *loop, const char *state, const struct control_plan *plan)
{
	char name[32];

	*control = (struct control){.loop = loop, .folder = -1, .plan = *plan};
	control->source = (struct loop_source){.fd = -1, .ready = control_ready};
	deadline_init(&control->pause, accept_again);
	memset(control->spare, -1, sizeof(control->spare));
	for (int i = 0; i < CONTROL_CLIENTS; i++)
		control->client[i].source.fd = -1;
	int err = file_make_folder(state, NULL);
	if (err)
		return err;
	control->folder = file_open_folder(state, "run");
	if (control->folder < 0)
		return control->folder;
	take_spares(control);
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
	give_spares(control, CONTROL_SPARES);
	if (control->folder >= 0) {
		name_of("ready", name);
		unlinkat(control->folder, name, 0);
		close(control->folder);
		control->folder = -1;
	}
}
