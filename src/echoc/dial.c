#include "dial.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "socket.h"
#include "text.h"
#include "wait.h"
#include "words.h"

#define KEEPALIVE_S 60
#define LEAST_MS    1000

#define DIAL_LIST_MAX (DIAL_WHY_MAX - 128) /* why says more */

static uint64_t connect_until(uint64_t until_ms)
{
	uint64_t now = wait_now_ms();

	if (until_ms < now + LEAST_MS)
		return now + LEAST_MS;
	return until_ms < now + DIAL_CONNECT_MS ? until_ms : now + DIAL_CONNECT_MS;
}

/*
 * Whether the socket is connected to itself: a port of the ephemeral range with nobody listening may be picked for our
 * own end (simultaneous open), and then every byte would come back from nowhere.
 */
static bool is_self(int fd)
{
	struct sockaddr_storage here, there;
	socklen_t here_len = sizeof(here), there_len = sizeof(there);

	if (getsockname(fd, (struct sockaddr *)&here, &here_len) < 0 ||
	    getpeername(fd, (struct sockaddr *)&there, &there_len) < 0)
		return false;
	struct peer a = peer_from_sockaddr(&here), b = peer_from_sockaddr(&there);
	return a.family != AF_UNIX && a.port == b.port && peer_same_host(&a, &b);
}

static int finish_connect(int fd, uint64_t until_ms)
{
	int error = 0;
	socklen_t len = sizeof(error);
	int err = wait_ready(fd, POLLOUT, until_ms);

	if (err)
		return err;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

static int connect_to(const struct sockaddr *addr, socklen_t len, uint64_t until_ms, int *out)
{
	int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, addr, len) < 0)
		err = errno == EINPROGRESS || errno == EINTR ? finish_connect(fd, connect_until(until_ms)) : -errno;
	if (!err && is_self(fd))
		err = -ECONNREFUSED;
	if (err) {
		close(fd);
		return err;
	}
	socket_set_nodelay(fd);
	socket_set_keepalive(fd, KEEPALIVE_S);
	*out = fd;
	return 0;
}

static int dial_unix(const struct address *a, uint64_t until_ms, int *fd, char why[DIAL_WHY_MAX])
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	(void)text_copy(addr.sun_path, sizeof(addr.sun_path), a->path); /* address_parse saw that it fits */
	int err = connect_to((struct sockaddr *)&addr, sizeof(addr), until_ms, fd);
	if (err)
		snprintf(why, DIAL_WHY_MAX, _("cannot connect (%s)"), words_error(-err));
	return err;
}

/* Adds `ADDRESS: error` to the list. */
static void add_failure(char list[DIAL_LIST_MAX], const struct sockaddr *addr, socklen_t addr_len, int err)
{
	struct sockaddr_storage copy = {0};
	char text[PEER_TEXT_MAX];
	size_t n = strlen(list);

	memcpy(&copy, addr, addr_len);
	struct peer peer = peer_from_sockaddr(&copy);
	peer_format(&peer, text);
	snprintf(list + n, DIAL_LIST_MAX - n, "%s%s: %s", n ? "; " : "", text,
	         err == -ETIMEDOUT ? _("no answer in time") : words_error(-err));
}

static int dial_each(const struct addrinfo *list, uint64_t until_ms, int *fd, char why[DIAL_WHY_MAX])
{
	char failures[DIAL_LIST_MAX] = "";
	int err = -EADDRNOTAVAIL;

	for (const struct addrinfo *i = list; i; i = i->ai_next) {
		err = connect_to(i->ai_addr, i->ai_addrlen, until_ms, fd);
		if (!err)
			return 0;
		add_failure(failures, i->ai_addr, i->ai_addrlen, err);
	}
	snprintf(why, DIAL_WHY_MAX, _("cannot connect (%s)"), failures);
	return err;
}

static void note(struct phases *phases, enum phase phase, uint64_t since_ns)
{
	phases->known[phase] = true;
	phases->ns[phase] = clock_now_ns() - since_ns;
}

int dial(const struct address *a, uint64_t until_ms, struct phases *phases, int *fd, char why[DIAL_WHY_MAX])
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list = NULL;
	uint64_t begin_ns = clock_now_ns();
	char port[8];
	int err;

	*phases = (struct phases){0};
	if (a->is_unix) {
		err = dial_unix(a, until_ms, fd, why);
		note(phases, PHASE_TCP, begin_ns);
		return err;
	}
	snprintf(port, sizeof(port), "%u", a->first);
	int failed = getaddrinfo(a->host, port, &hints, &list);
	note(phases, PHASE_LOOKUP, begin_ns);
	if (failed) {
		snprintf(why, DIAL_WHY_MAX, _("cannot find the host's address (%s)"),
		         failed == EAI_SYSTEM ? words_error(errno) : _(gai_strerror(failed)));
		return -EHOSTUNREACH;
	}
	begin_ns = clock_now_ns();
	err = dial_each(list, until_ms, fd, why);
	note(phases, PHASE_TCP, begin_ns);
	freeaddrinfo(list);
	return err;
}
