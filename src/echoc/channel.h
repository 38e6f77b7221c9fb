/*
 * A connection of the client, plain or TLS, that never blocks: what the login, the exchange and the load send and
 * receive on. Under TLS each direction ends with close_notify; EOF without it is an error and no end, for whoever can
 * cut the connection could else cut the data.
 */
#ifndef ECHOC_CHANNEL_H
#define ECHOC_CHANNEL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "must.h"
#include "tls.h"

#define CHANNEL_READ                                                                                                   \
	((size_t)256 * 1024)              /* wire bytes of one recv: larger reads gain nothing (measured, design.md)   \
	                                   */
#define CHANNEL_PIECE ((size_t)64 * 1024) /* plain bytes of one send under TLS */

#define CHANNEL_TRUNCATED (-ENODATA) /* EOF without close_notify */
#define CHANNEL_FAILED    (-EPROTO)  /* TLS has failed; channel_why tells */

/* Where wire bytes stand during a call: one for all channels of a thread. */
struct channel_room {
	uint8_t *came; /* CHANNEL_READ bytes */
	uint8_t *out;  /* TLS_WIRE_MAX(CHANNEL_PIECE) bytes */
};

/* Returns 0 or -ENOMEM. */
int channel_room_init(struct channel_room *) MUST_CHECK;
void channel_room_fini(struct channel_room *);

/* What the other side turned out to be in a handshake that failed. */
enum channel_stranger {
	CHANNEL_SPEAKS_TLS, /* or said nothing */
	CHANNEL_SPEAKS,     /* something else: it does not wait for the client */
	CHANNEL_ECHOES,     /* it sends back what it gets */
};

struct channel {
	int fd;                    /* -1: none; to be polled for channel_events */
	struct tls *tls;           /* NULL: plain */
	struct channel_room *room; /* TLS only */
	uint8_t *unsent;           /* wire bytes that the kernel has not taken yet; NULL: none */
	size_t unsent_at, unsent_len;
	int over;    /* of the receiving side, told when all bytes are handed out: 1 the end, or a negative errno */
	FILE *trace; /* where what is said on it is shown (trace.h); NULL: it is not */
	bool apart;  /* what one send takes is not joined with another's: a segment, and a record, of its own */
	bool heard, shaken, ending; /* something came; the handshake is done; our own close_notify is written */
	enum channel_stranger stranger;
};

/* Takes the descriptor over, which is connected and non-blocking. */
void channel_open(struct channel *, int fd);
/* Makes it TLS, before anything is sent: channel_shake is next. room stays the caller's. Returns 0 or -ENOMEM. */
int channel_start_tls(struct channel *, struct tls_context *, struct channel_room *, const char *host,
                      bool raw) MUST_CHECK;
/* Closes it, without an end. Harmless where there is none. */
void channel_close(struct channel *);

/*
 * The handshake, as far as it goes. Returns 0 when it is done; -EAGAIN; -EPIPE where the other side ended it;
 * CHANNEL_FAILED; or another negative errno.
 */
int channel_shake(struct channel *) MUST_CHECK;

/* Whether something is to be received without the descriptor's being readable. */
static inline bool channel_pending(const struct channel *c)
{
	return c->tls && (c->over || (c->shaken && tls_pending(c->tls)));
}

/* Whether wire bytes wait for the descriptor to be writable: channel_flush sends them, and so does each send. */
static inline bool channel_unsent(const struct channel *c)
{
	return c->unsent;
}

ssize_t channel_receive_tls(struct channel *, void *data, size_t cap) MUST_CHECK;
ssize_t channel_send_tls(struct channel *, const void *data, size_t len) MUST_CHECK;

/* Returns how many bytes came, at most cap (> 0); 0 at the end; -EAGAIN; or another negative errno. */
static inline ssize_t MUST_CHECK channel_receive(struct channel *c, void *data, size_t cap)
{
	if (c->tls)
		return channel_receive_tls(c, data, cap);
	ssize_t n = recv(c->fd, data, cap, 0);
	if (n >= 0)
		return n;
	return errno == EINTR ? -EAGAIN : -errno;
}

/* Returns how many of len (> 0) bytes are on their way, -EAGAIN, or another negative errno. */
static inline ssize_t MUST_CHECK channel_send(struct channel *c, const void *data, size_t len)
{
	if (c->tls)
		return channel_send_tls(c, data, len);
	ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL | (c->apart ? MSG_EOR : 0));
	if (n >= 0)
		return n;
	return errno == EINTR ? -EAGAIN : -errno;
}

/* As channel_receive, but nothing behind the first LF: that stays to be received. */
ssize_t channel_receive_line(struct channel *, void *data, size_t cap) MUST_CHECK;

/* Returns 0 when no wire bytes are left, -EAGAIN, or another negative errno. */
int channel_flush(struct channel *) MUST_CHECK;

/*
 * Ends our direction: close_notify and FIN; the other goes on. Returns 0; -EAGAIN: once more when it is writable; or
 * another negative errno.
 */
int channel_end(struct channel *) MUST_CHECK;

/* Waits for POLLIN or POLLOUT as wait_ready does, unless something is pending. */
int channel_wait(struct channel *, short events, uint64_t until_ms) MUST_CHECK;

/* What a negative errno of the channel means, as a clause. */
const char *channel_why(const struct channel *, int err);

#endif
