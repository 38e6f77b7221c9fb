#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "socket.h"
#include "stream.h"
#include "text.h"
#include "words.h"

#define WHY_MAX   1024
#define TRIES_MAX 100

static int give_up(char *why, const struct address *a, uint16_t port, const char *reason, const char *advice)
{
	char text[ADDRESS_TEXT_MAX];

	address_format(a, port, text);
	snprintf(why, WHY_MAX, _("cannot listen on %s: %s; %s."), text, reason, advice);
	return -1;
}

static const char *advice_for(int err, const struct address *a, const struct options *o)
{
	switch (err) {
	case EADDRINUSE:
		if (a->is_unix)
			return _("end the server that has it, or give another path");
		return o->strict_port ? _("give another port, or leave out --strict-port")
		                      : _("give another port, or --next-port to take the next free one");
	case EACCES:
		return a->is_unix ? _("give a path in a folder that is yours")
		                  : _("ports below 1024 need root or CAP_NET_BIND_SERVICE: give a higher one");
	case EADDRNOTAVAIL:
		return _("that is no address of this machine: give one that is (see ip address), or 0.0.0.0 "
		         "for all");
	default: return _("give another address");
	}
}

/* The kernel's range for outgoing connections: a listener there would be in their way. */
static void ephemeral_range(unsigned *first, unsigned *last)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");

	if (!f || fscanf(f, "%u %u", first, last) != 2) {
		*first = 32768; /* the kernel's default */
		*last = 60999;
	}
	if (f)
		fclose(f);
}

static bool may_move(const struct address *a, const struct options *o)
{
	if (o->strict_port || a->first == 0)
		return false;
	return a->port_kind != ADDRESS_PORT_EXPLICIT || o->next_port;
}

static unsigned port_after(const struct address *a, unsigned port)
{
	unsigned first, last;

	port++;
	if (a->port_kind == ADDRESS_PORT_RANGE)
		return port;
	ephemeral_range(&first, &last);
	return a->first < first && port >= first && port <= last ? last + 1 : port;
}

static void set_port(struct sockaddr *addr, uint16_t port)
{
	if (addr->sa_family == AF_INET)
		((struct sockaddr_in *)(void *)addr)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)(void *)addr)->sin6_port = htons(port);
}

static void log_busy(struct log *log, const struct address *a, unsigned port)
{
	log_event(log, LOG_WARNING, "port_busy", "port %u of %s is in use: trying the next one", port, a->host);
}

/* Tries the address's port, then, where it may move, those behind it. */
static int try_ports(struct listener *l, const struct addrinfo *ai, const struct options *o, struct log *log, char *why)
{
	const struct address *a = &l->address;
	bool moves = may_move(a, o);
	unsigned last = a->port_kind == ADDRESS_PORT_RANGE ? a->last : 65535, port = a->first;

	for (int tries = 0;; tries++) {
		set_port(ai->ai_addr, (uint16_t)port);
		l->fd = socket_listen(ai->ai_addr, ai->ai_addrlen);
		if (l->fd >= 0)
			return 0;
		if (l->fd != -EADDRINUSE || !moves)
			return give_up(why, a, (uint16_t)port, words_error(-l->fd), advice_for(-l->fd, a, o));
		log_busy(log, a, port);
		port = port_after(a, port);
		if (tries + 1 == TRIES_MAX || port > last)
			return give_up(why, a, a->first, _("neither that port nor those behind it are free"),
			               _("give another port, or 0 to let the kernel choose"));
	}
}

/* What accepted connections inherit is set here, once. */
static void tune(int fd, const struct options *o)
{
	int lowat = STREAM_NOTSENT_MAX; /* the front's streams count on it */

	socket_set_nodelay(fd);
	socket_set_oob_inline(fd);
	socket_set_keepalive(fd, o->keepalive_s);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof(lowat));
}

static int open_tcp(struct listener *l, const struct options *o, struct log *log, char *why)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *found = NULL;
	int err = getaddrinfo(l->address.host, NULL, &hints, &found);

	if (err)
		return give_up(why, &l->address, l->address.first, _(gai_strerror(err)),
		               _("give a name or address of this machine"));
	err = try_ports(l, found, o, log, why);
	if (!err) {
		struct sockaddr_storage s = {0};
		memcpy(&s, found->ai_addr, found->ai_addrlen);
		struct peer p = peer_from_sockaddr(&s);
		l->local = peer_is_loopback(&p);
		l->port = socket_local_port(l->fd);
		if (!l->port) {
			freeaddrinfo(found);
			(void)listen_close(l);
			return give_up(why, &l->address, l->address.first, _("its port cannot be found out"),
			               _("try again"));
		}
		tune(l->fd, o);
	}
	freeaddrinfo(found);
	return err;
}

/* Takes the lock beside a socket's path, so that of two servers one only looks whether the socket is stale. */
static int take_lock(const char *path)
{
	char lock[ADDRESS_PATH_MAX + 8];
	struct stat ours, named;

	snprintf(lock, sizeof(lock), "%s.lock", path);
	for (;;) {
		/* Without O_CREAT first: in a folder like /tmp it refuses another user's (fs.protected_regular). */
		int fd = open(lock, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0 && errno == ENOENT)
			fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			int err = errno == EWOULDBLOCK ? EADDRINUSE : errno;
			close(fd);
			return -err;
		}
		/* The one before us may have removed the file between our open and our lock. */
		if (fstat(fd, &ours) == 0 && stat(lock, &named) == 0 && ours.st_ino == named.st_ino &&
		    ours.st_dev == named.st_dev)
			return fd;
		close(fd);
	}
}

/* Removes a socket that nobody listens on. Anything else that has the path stays. */
static int remove_stale(const struct sockaddr_un *addr)
{
	struct stat st;
	int err = -EADDRINUSE;

	if (lstat(addr->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 && errno == ECONNREFUSED)
		err = unlink(addr->sun_path) < 0 ? -errno : 0;
	close(fd);
	return err;
}

/* What the parent has made is the user's whom it will become, who can remove it where the folder lets him. */
static int bind_unix(struct listener *l, const struct options *o)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct stat st;

	memcpy(addr.sun_path, l->address.path, sizeof(addr.sun_path));
	int err = remove_stale(&addr);
	if (err)
		return err;
	mode_t old = umask(0777); /* nobody connects before the mode is as wanted */
	l->fd = socket_listen((const struct sockaddr *)&addr, sizeof(addr));
	umask(old);
	if (l->fd < 0)
		return l->fd;
	const struct privileges *owner = &o->privileges;
	if (chmod(addr.sun_path, o->socket_mode) < 0 || lchown(addr.sun_path, owner->uid, owner->gid) < 0 ||
	    fchown(l->lock_fd, owner->uid, owner->gid) < 0 || lstat(addr.sun_path, &st) < 0)
		return -errno;
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	return 0;
}

static int open_unix(struct listener *l, const struct options *o, char *why)
{
	int err = l->lock_fd = take_lock(l->address.path);

	if (err >= 0)
		err = bind_unix(l, o);
	if (err < 0) {
		(void)listen_close(l);
		return give_up(why, &l->address, 0,
		               err == -EEXIST ? _("something that is no socket has that path") : words_error(-err),
		               advice_for(-err, &l->address, o));
	}
	l->local = true;
	return 0;
}

int listen_open(struct listener *l, const struct address *a, const struct options *o, struct log *log,
                char why[WHY_MAX])
{
	*l = (struct listener){.address = *a, .fd = -1, .lock_fd = -1};
	int err = a->is_unix ? open_unix(l, o, why) : open_tcp(l, o, log, why);
	if (!err)
		address_format(&l->address, l->port, l->text);
	return err;
}

int listen_close(struct listener *l)
{
	char lock[ADDRESS_PATH_MAX + 8];
	struct stat st;
	int err = 0;

	if (l->fd >= 0) {
		if (l->ino && lstat(l->address.path, &st) == 0 && st.st_ino == l->ino && st.st_dev == l->dev &&
		    unlink(l->address.path) < 0)
			err = -errno;
		close(l->fd);
	}
	if (l->lock_fd >= 0) {
		snprintf(lock, sizeof(lock), "%s.lock", l->address.path);
		unlink(lock);
		close(l->lock_fd);
	}
	l->fd = l->lock_fd = -1;
	return err;
}
