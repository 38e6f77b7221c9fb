/* The sockets of transport.h: both sides of a wire. */
#include <errno.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <stdarg.h>
#include <sys/ioctl.h>

#include "fuzz.h"
#include "transport_end.h"

static int failing[CALL_COUNT];

bool transport_fails(enum transport_call call)
{
	int err = failing[call];

	failing[call] = 0;
	if (err)
		errno = err;
	return err != 0;
}

void transport_fail(enum transport_call call, int err)
{
	failing[call] = err;
}

static struct wire *wire_of(int fd)
{
	struct end *end = transport_end_of(fd);

	CHECK(!end || end->kind == TRANSPORT_SOCKET);
	return end ? end->wire : NULL;
}

/* ---- the client's side ---- */

static void edge(const struct wire *w)
{
	if (w->fd >= 0)
		transport_end_of(w->fd)->edge = true;
}

void wire_init(struct wire *w)
{
	memset(w, 0, offsetof(struct wire, in));
	w->fd = -1;
	w->out_cap = WIRE_OUT_MAX / 2;
}

size_t wire_put(struct wire *w, const void *data, size_t len)
{
	size_t n = len < WIRE_IN_MAX - w->in_len ? len : WIRE_IN_MAX - w->in_len;

	if (w->client_fin || w->client_reset || n == 0)
		return 0;
	w->server_reset |= w->closed;
	memcpy(w->in + w->in_len, data, n);
	w->in_len += n;
	if (!w->slow)
		wire_arrive(w, n);
	return n;
}

void wire_arrive(struct wire *w, size_t len)
{
	w->arrived = len < w->in_len - w->arrived ? w->arrived + len : w->in_len;
	edge(w);
}

size_t wire_take(struct wire *w, uint8_t *to, size_t cap)
{
	size_t waits = w->out_len - w->out_at, n = cap < waits ? cap : waits;

	memcpy(to, w->out + w->out_at, n);
	w->out_at += n;
	if (w->out_at == w->out_len) {
		w->out_at = w->out_len = 0;
		w->fin_taken |= w->server_fin;
	}
	edge(w);
	return n;
}

void wire_fin(struct wire *w)
{
	w->client_fin = true;
	edge(w);
}

void wire_reset(struct wire *w)
{
	if (w->client_reset)
		return;
	w->client_reset = true;
	w->error = ECONNRESET;
	edge(w);
}

bool wire_has_ended(const struct wire *w)
{
	return w->fin_taken && !w->server_reset && !w->client_reset;
}

uint32_t transport_socket_events(const struct wire *w)
{
	bool fin = w->client_fin && w->arrived == w->in_len;
	uint32_t events = 0;

	if (w->in_at < w->arrived || fin || w->client_reset)
		events |= EPOLLIN;
	if (w->out_len - w->out_at < w->out_cap || w->server_fin || w->client_reset)
		events |= EPOLLOUT;
	if ((fin && w->server_fin) || w->client_reset)
		events |= EPOLLHUP;
	if (w->error)
		events |= EPOLLERR;
	return events;
}

/* ---- the server's ---- */

void transport_connect(int listener_fd, struct wire *w)
{
	struct end *end = transport_end_of(listener_fd);

	CHECK(end->kind == TRANSPORT_LISTENER && end->waiting_count < TRANSPORT_WAITING_MAX);
	end->waiting[end->waiting_count++] = w;
}

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	struct end *end = transport_end_of(fd);

	CHECK(end && end->kind == TRANSPORT_LISTENER);
	CHECK((flags & (SOCK_NONBLOCK | SOCK_CLOEXEC)) == (SOCK_NONBLOCK | SOCK_CLOEXEC));
	if (transport_fails(CALL_ACCEPT))
		return -1;
	if (end->waiting_count == 0) {
		errno = EAGAIN;
		return -1;
	}
	struct wire *w = end->waiting[0];
	memmove(end->waiting, end->waiting + 1, --end->waiting_count * sizeof(end->waiting[0]));
	w->fd = transport_open(TRANSPORT_SOCKET);
	transport_end_of(w->fd)->wire = w;
	if (address) {
		memcpy(address, &w->peer, *len < sizeof(w->peer) ? *len : sizeof(w->peer));
		*len = sizeof(w->peer);
	}
	return w->fd;
}

static bool takes_error(struct wire *w)
{
	if (!w->error)
		return false;
	errno = w->error;
	w->error = 0;
	return true;
}

static ssize_t error(int err)
{
	errno = err;
	return -1;
}

ssize_t __wrap_recv(int fd, void *to, size_t cap, int flags)
{
	struct wire *w = wire_of(fd);

	if (!w)
		return __real_recv(fd, to, cap, flags);
	CHECK(flags & MSG_DONTWAIT);
	if (transport_fails(CALL_RECV))
		return -1;
	size_t there = w->arrived - w->in_at, n = cap < there ? cap : there;
	if (n == 0 && takes_error(w))
		return -1;
	if (n == 0 && w->client_fin && w->arrived == w->in_len)
		w->eof_read = true;
	else if (n == 0 && !w->client_reset)
		return error(EAGAIN);
	memcpy(to, w->in + w->in_at, n);
	if (!(flags & MSG_PEEK))
		w->in_at += n;
	return (ssize_t)n;
}

ssize_t __wrap_send(int fd, const void *from, size_t len, int flags)
{
	struct wire *w = wire_of(fd);

	if (!w)
		return __real_send(fd, from, len, flags);
	CHECK((flags & (MSG_NOSIGNAL | MSG_DONTWAIT)) == (MSG_NOSIGNAL | MSG_DONTWAIT));
	CHECK(!w->server_fin && len > 0);
	if (transport_fails(CALL_SEND) || takes_error(w))
		return -1;
	if (w->client_reset)
		return error(EPIPE);
	size_t waits = w->out_len - w->out_at, room = waits < w->out_cap ? w->out_cap - waits : 0;
	size_t n = len < room ? len : room;
	if (n == 0)
		return error(EAGAIN);
	if (w->out_len + n > WIRE_OUT_MAX) {
		memmove(w->out, w->out + w->out_at, waits);
		w->out_at = 0;
		w->out_len = waits;
	}
	memcpy(w->out + w->out_len, from, n);
	w->out_len += n;
	return (ssize_t)n;
}

int __wrap_shutdown(int fd, int how)
{
	struct wire *w = wire_of(fd);

	if (!w)
		return __real_shutdown(fd, how);
	CHECK(how == SHUT_WR && !w->server_fin);
	if (w->client_reset)
		return (int)error(ENOTCONN);
	w->server_fin = true;
	w->eof_before_fin = w->eof_read;
	edge(w);
	return 0;
}

/* As tcp(7) and unix(7) end a connection whose descriptor is closed. */
void transport_close_wire(struct wire *w)
{
	bool unread = w->in_at < w->in_len, unsent = w->out_at < w->out_len;

	w->closed = true;
	w->fd = -1;
	if (unread || (!w->is_unix && w->lingers_not && (unsent || !(w->server_fin && w->client_fin))))
		w->server_reset = true;
	w->server_fin = true;
}

static int queue_length(const struct wire *w, unsigned long what)
{
	size_t out = w->out_len - w->out_at;

	switch (what) {
	case FIONREAD: return (int)(w->arrived - w->in_at);
	case SIOCOUTQ: return (int)out + (w->server_fin && !w->fin_taken && !w->client_reset);
	case SIOCOUTQNSD: return (int)out;
	default: abort(); /* no other is made */
	}
}

int __wrap_ioctl(int fd, unsigned long what, ...)
{
	va_list arguments;
	struct wire *w = wire_of(fd);

	va_start(arguments, what);
	void *out = va_arg(arguments, void *);
	va_end(arguments);
	if (!w)
		return __real_ioctl(fd, what, out);
	*(int *)out = queue_length(w, what);
	return 0;
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	struct wire *w = wire_of(fd);

	if (!w)
		return __real_getsockopt(fd, level, name, value, len);
	CHECK(level == SOL_SOCKET);
	if (name == SO_MEMINFO) {
		uint32_t *memory = value;
		memory[SK_MEMINFO_RMEM_ALLOC] = (uint32_t)(w->arrived - w->in_at);
		memory[SK_MEMINFO_WMEM_QUEUED] = (uint32_t)(w->out_len - w->out_at);
		memory[SK_MEMINFO_SNDBUF] = (uint32_t)w->out_cap;
	} else if (name == SO_ERROR) {
		*(int *)value = w->error;
		w->error = 0;
	} else {
		CHECK(name == SO_PEERCRED && w->is_unix);
		((struct ucred *)value)->uid = 1000;
	}
	return 0;
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	struct wire *w = wire_of(fd);

	if (!w)
		return __real_setsockopt(fd, level, name, value, len);
	if (level == SOL_SOCKET && name == SO_LINGER)
		w->lingers_not = ((const struct linger *)value)->l_onoff;
	return 0;
}

int __wrap_getsockname(int fd, struct sockaddr *address, socklen_t *len)
{
	struct wire *w = wire_of(fd);

	if (!w)
		return __real_getsockname(fd, address, len);
	memcpy(address, &w->local, *len < sizeof(w->local) ? *len : sizeof(w->local));
	*len = sizeof(w->local);
	return 0;
}
