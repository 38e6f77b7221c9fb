#include "channel.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wait.h"
#include "words.h"

/* A record's first byte, and of a handshake's first message its sixth (RFC 8446, 5.1 and 4). */
#define RECORD_ALERT     21
#define RECORD_HANDSHAKE 22
#define CLIENT_HELLO     1

int channel_room_init(struct channel_room *r)
{
	*r = (struct channel_room){.came = malloc(CHANNEL_READ), .out = malloc(TLS_WIRE_MAX(CHANNEL_PIECE))};
	if (r->came && r->out)
		return 0;
	channel_room_fini(r);
	return -ENOMEM;
}

void channel_room_fini(struct channel_room *r)
{
	free(r->came);
	free(r->out);
	*r = (struct channel_room){0};
}

void channel_open(struct channel *c, int fd)
{
	*c = (struct channel){.fd = fd};
}

int channel_start_tls(struct channel *c, struct tls_context *context, struct channel_room *room, const char *host,
                      bool raw)
{
	c->room = room;
	return tls_open_client(&c->tls, context, host, raw ? TLS_ALPN_ECHO : TLS_ALPN_LOGIN);
}

void channel_close(struct channel *c)
{
	tls_close(c->tls);
	free(c->unsent);
	if (c->fd >= 0)
		close(c->fd);
	*c = (struct channel){.fd = -1};
}

static struct tls_wire empty_wire(const struct channel *c)
{
	return (struct tls_wire){.buf = c->room->out, .cap = TLS_WIRE_MAX(CHANNEL_PIECE)};
}

/* Sends len bytes as far as the kernel takes them. Returns how many, or a negative errno. */
static ssize_t send_some(const struct channel *c, const uint8_t *data, size_t len)
{
	size_t sent = 0;

	while (sent < len) {
		ssize_t n = send(c->fd, data + sent, len - sent, MSG_NOSIGNAL | (c->apart ? MSG_EOR : 0));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return -errno;
		if (n < 0)
			break;
		sent += (size_t)n;
	}
	return (ssize_t)sent;
}

/* Sends wire bytes; what the kernel does not take is kept. Nothing may be unsent before. */
static int put(struct channel *c, const struct tls_wire *wire)
{
	ssize_t n = send_some(c, wire->buf, wire->len);

	if (n < 0)
		return (int)n;
	size_t left = wire->len - (size_t)n;
	if (left == 0)
		return 0;
	c->unsent = malloc(left);
	if (!c->unsent)
		return -ENOMEM;
	memcpy(c->unsent, wire->buf + n, left);
	c->unsent_at = 0;
	c->unsent_len = left;
	return 0;
}

int channel_flush(struct channel *c)
{
	if (!c->unsent)
		return 0;
	ssize_t n = send_some(c, c->unsent + c->unsent_at, c->unsent_len - c->unsent_at);
	if (n < 0)
		return (int)n;
	c->unsent_at += (size_t)n;
	if (c->unsent_at < c->unsent_len)
		return -EAGAIN;
	free(c->unsent);
	c->unsent = NULL;
	return 0;
}

/* ---- receiving ---- */

/* Receives wire bytes and feeds them. Returns 0, -EAGAIN, -EPIPE at the end, or another negative errno. */
static int feed(struct channel *c, size_t *len)
{
	ssize_t n = recv(c->fd, c->room->came, CHANNEL_READ, 0);

	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (n == 0)
		return -EPIPE;
	*len = (size_t)n;
	tls_feed(c->tls, c->room->came, *len);
	return 0;
}

/* Hands out what has been fed. Returns the number of bytes; 0: it wants more, or over says what else. */
static size_t decrypt(struct channel *c, void *data, size_t cap)
{
	size_t got;

	switch (tls_read(c->tls, data, cap, &got)) {
	case TLS_DONE: return got;
	case TLS_MORE: break;
	case TLS_ENDED: c->over = 1; break;
	case TLS_FAILED: c->over = CHANNEL_FAILED; break;
	}
	return 0;
}

ssize_t channel_receive_tls(struct channel *c, void *data, size_t cap)
{
	size_t got = 0, len;

	if (!c->over && tls_pending(c->tls))
		got = decrypt(c, data, cap);
	if (got == 0 && !c->over) {
		int err = feed(c, &len);
		if (err == -EAGAIN)
			return err;
		if (err) {
			c->over = err == -EPIPE ? CHANNEL_TRUNCATED : err;
			return c->over;
		}
		got = decrypt(c, data, cap);
		if (tls_keep(c->tls))
			c->over = -ENOMEM;
	}
	if (got > 0)
		return (ssize_t)got;
	if (c->over)
		return c->over > 0 ? 0 : c->over;
	return -EAGAIN;
}

/* Bytes are peeked at first, and only those of one line taken. */
static ssize_t receive_line_plain(const struct channel *c, void *data, size_t cap)
{
	ssize_t n = recv(c->fd, data, cap, MSG_PEEK);

	if (n > 0) {
		const char *lf = memchr(data, '\n', (size_t)n);
		n = recv(c->fd, data, lf ? (size_t)(lf + 1 - (const char *)data) : (size_t)n, 0);
	}
	if (n >= 0)
		return n;
	return errno == EINTR ? -EAGAIN : -errno;
}

ssize_t channel_receive_line(struct channel *c, void *data, size_t cap)
{
	char *line = data;
	size_t len = 0;

	if (!c->tls)
		return receive_line_plain(c, data, cap);
	/* Byte by byte: the rest stays with the session. */
	while (len < cap && (len == 0 || line[len - 1] != '\n')) {
		ssize_t n = channel_receive_tls(c, line + len, 1);
		if (n <= 0 && len == 0)
			return n;
		if (n <= 0)
			break; /* what it was is told by the next call */
		len += (size_t)n;
	}
	return (ssize_t)len;
}

/* ---- handshake, sending, ending ---- */

/* Looks at the first wire bytes for what a person may have mistaken for a TLS server. */
static void note_stranger(struct channel *c, size_t len)
{
	const uint8_t *came = c->room->came;

	if (c->heard)
		return;
	c->heard = true;
	if (came[0] != RECORD_HANDSHAKE && came[0] != RECORD_ALERT)
		c->stranger = CHANNEL_SPEAKS;
	else if (len > 5 && came[0] == RECORD_HANDSHAKE && came[5] == CLIENT_HELLO)
		c->stranger = CHANNEL_ECHOES;
}

static int shake_once(struct channel *c)
{
	struct tls_wire wire = empty_wire(c);
	enum tls_result result = tls_shake(c->tls, &wire);
	int err = put(c, &wire); /* after a failure an alert for the other side */

	switch (result) {
	case TLS_DONE:
		c->shaken = true;
		if (!err)
			err = tls_keep(c->tls);
		return err;
	case TLS_MORE: return err ? err : -EAGAIN;
	case TLS_ENDED:
	case TLS_FAILED: break;
	}
	return CHANNEL_FAILED;
}

int channel_shake(struct channel *c)
{
	size_t len = 0;

	for (;;) {
		int err = channel_flush(c);
		if (err || c->shaken)
			return err;
		err = shake_once(c);
		if (err == -EAGAIN && !channel_unsent(c))
			err = feed(c, &len);
		if (err)
			return err;
		if (len > 0)
			note_stranger(c, len);
	}
}

ssize_t channel_send_tls(struct channel *c, const void *data, size_t len)
{
	struct tls_wire wire = empty_wire(c);
	size_t n = len < CHANNEL_PIECE ? len : CHANNEL_PIECE;
	int err = channel_flush(c);

	if (!err)
		err = tls_write(c->tls, data, n, &wire);
	if (!err)
		err = put(c, &wire);
	return err ? err : (ssize_t)n;
}

int channel_end(struct channel *c)
{
	int err = channel_flush(c);

	if (!err && c->tls && !c->ending) {
		struct tls_wire wire = empty_wire(c);
		c->ending = true;
		err = tls_end(c->tls, &wire);
		if (!err)
			err = put(c, &wire);
		if (!err)
			err = channel_flush(c);
	}
	if (err)
		return err;
	return shutdown(c->fd, SHUT_WR) < 0 ? -errno : 0;
}

int channel_wait(struct channel *c, short events, uint64_t until_ms)
{
	if ((events & POLLIN) && channel_pending(c))
		return 0;
	return wait_ready(c->fd, events, until_ms);
}

const char *channel_why(const struct channel *c, int err)
{
	if (err == CHANNEL_FAILED && c->tls)
		return _(tls_why(c->tls));
	if (err == CHANNEL_TRUNCATED && c->tls)
		return _("cut off without TLS's close_notify");
	if (err == -EPIPE)
		return _("it ended the connection");
	return words_error(-err);
}
