/*
 * A byte stream on the loop, and the chunk contract: the stream receives into the worker's one buffer and hands the
 * chunk up; its user gives bytes back to be sent; the stream owns what the peer does not take at once, until the last
 * byte of it is sent, and receives nothing meanwhile. So a stream that keeps up owns no buffer, and one that does not
 * owns one.
 *
 *     invariant: 0 <= held_at <= held_len, held == NULL <=> held_len == 0, and while held != NULL nothing is received
 *
 * One thread: the loop's.
 */
#ifndef LOOP_STREAM_H
#define LOOP_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "loop.h"

/* One read, and so one connection's turn, is at most this: below it bulk costs up to 3.3 times the CPU (measured). */
#define STREAM_CHUNK_MAX (256 * 1024)
/* Of the buffer: from malloc's odd 16 bytes, copying bulk costs up to twice the CPU of a page's edge (measured). */
#define STREAM_ALIGNMENT 4096
/* What a peer that stops reading may leave with us. */
#define STREAM_HELD_MAX (64 * 1024)
/*
 * TCP_NOTSENT_LOWAT of the sockets: what a mute reader pins in the kernel beyond its window. Just enough for whole
 * chunks in bulk: a read takes that and a held chunk.
 */
#define STREAM_NOTSENT_MAX (STREAM_CHUNK_MAX - STREAM_HELD_MAX)

/*
 * Of a wrapped stream's 64 KiB this much is kept back: the part of a record that came before may become whole, and what
 * is sent has heads and tails (TLS: 16 KiB, and 22 bytes to each).
 */
#define STREAM_WRAP_SLACK (16 * 1024 + 512)

struct stream;

/* A stage's hand on its streams: constant, and exchanged when the connection moves on. */
struct stream_events {
	/*
	 * len > 0 bytes came; they are gone when this returns, but for what was sent. Of a wrapped stream also len 0:
	 * wire bytes came that are no data, or not yet.
	 */
	void (*chunk)(struct stream *, const uint8_t *data, size_t len);
	/* The peer's end. Receiving is over; what was held before has been sent. truncated tells whether to trust it.
	 */
	void (*end)(struct stream *);
	/* All that was held, len bytes, is sent, and receiving goes on. */
	void (*sent)(struct stream *, size_t len);
	/* The connection is broken; err is a negative errno. Only to be closed. */
	void (*broken)(struct stream *, int err);
};

/*
 * What stands between a stream's bytes and those on the wire, as TLS does; constant. The stream receives, sends and
 * holds wire bytes; its user sees plain ones.
 */
struct stream_wrap {
	/*
	 * len wire bytes came (0: none, but pending ones are there). Writes up to cap plain bytes, *got in number;
	 * *more says whether more are pending. Returns 0; 1 at the peer's end, *got being 0; or a negative errno.
	 */
	int (*unwrap)(struct stream *, const uint8_t *wire, size_t len, uint8_t *plain, size_t cap, size_t *got,
	              bool *more);
	/* Writes the wire bytes for len plain ones. Returns their number, also 0, or a negative errno. */
	ssize_t (*wrap)(struct stream *, const void *plain, size_t len, uint8_t *wire, size_t cap);
	/* The wire bytes that end our direction. */
	ssize_t (*end)(struct stream *, uint8_t *wire, size_t cap);
	size_t wire_max; /* the most that wrap writes for STREAM_CHUNK_MAX bytes */
};

/* What the streams of one loop share; the wrapped ones have a pool of their own. */
struct stream_pool {
	struct loop *loop;
	const struct stream_wrap *wrap; /* NULL: wire and plain bytes are the same */
	uint8_t *chunk;                 /* STREAM_CHUNK_MAX plain bytes that came */
	uint8_t *came, *wire; /* where wrapped: STREAM_CHUNK_MAX wire bytes that came; wrap->wire_max to send */
	/* Counted here, if not NULL; this loop's thread alone writes them. */
	_Atomic uint64_t *holding, *held_bytes;
	/* A stream begins to hold. It may not be touched. NULL: nobody wants to know. */
	void (*held)(struct stream_pool *);
};

/* Returns 0 or -ENOMEM. */
int stream_pool_init(struct stream_pool *, struct loop *) MUST_CHECK;
void stream_pool_fini(struct stream_pool *);
/* A pool for streams of pool's loop that are wrapped: it shares pool's chunk and counters. Returns 0 or -ENOMEM. */
int stream_pool_init_wrapped(struct stream_pool *, const struct stream_pool *pool,
                             const struct stream_wrap *) MUST_CHECK;

struct stream {
	struct loop_source source;
	struct stream_pool *pool;
	const struct stream_events *on;
	uint8_t *held;
	uint32_t held_at, held_len; /* of a wrapped stream wire bytes: a few more than plain ones */
	uint32_t lost;              /* bytes of the stream_send that failed which were not sent */
	uint16_t room;              /* a read takes at most this; 0: what is good for bulk */
	uint8_t watched;            /* EPOLLIN, EPOLLOUT */
	bool filled : 1;            /* the last read took all that it may */
	bool paused : 1;            /* its user does not want chunks now */
	bool pending : 1;           /* bytes came that are not handed up yet, and of which the kernel does not know */
	bool truncated : 1;         /* the wire ended, but not what is wrapped in it: somebody may have cut it short */
};

/*
 * Watches fd, non-blocking, for reading; it stays the caller's. on must outlive the stage; room is as for
 * stream_hand_on. Returns 0 or a negative errno.
 */
int stream_open(struct stream *, struct stream_pool *, int fd, const struct stream_events *on,
                uint16_t room) MUST_CHECK;
/* Frees what is held, before the descriptor is closed. Harmless on a zeroed stream that was never opened. */
void stream_close(struct stream *);

/* Hands the stream to the next stage, which takes at most room bytes a read; 0: as many as are good for bulk. */
void stream_hand_on(struct stream *, const struct stream_events *on, uint16_t room);

/*
 * From now on the stream is wrapped, as the pool's streams are; pending says whether the wrap has wire bytes already.
 * Nothing may be held.
 */
void stream_wrap_in(struct stream *, struct stream_pool *wrapped, bool pending);

/* Receives one chunk, if one is there, and hands it up, or says end or broken. Nothing may be held. */
void stream_receive(struct stream *);

/*
 * Sends, and holds what the peer does not take. Nothing may be held. Returns 0, or -ENOMEM when there was no memory to
 * hold the rest, or the negative errno of a broken connection; after an error the stream is only to be closed.
 */
int stream_send(struct stream *, const void *data, size_t len) MUST_CHECK;

/*
 * Sends what ends our direction within the wrap; where there is none, nothing. Then only FIN is left to be sent. As
 * stream_send it may hold, which is told by sent.
 */
int stream_end(struct stream *) MUST_CHECK;

/*
 * Receives wire bytes and throws them away. Returns their number, with that of the plain ones in *data; 0 at the end;
 * or a negative errno.
 */
ssize_t stream_skim(struct stream *, size_t *data) MUST_CHECK;

/* Stops receiving, or goes on. A broken connection is told all the same. */
void stream_pause(struct stream *);
void stream_resume(struct stream *);
bool stream_holds(const struct stream *);

#endif
