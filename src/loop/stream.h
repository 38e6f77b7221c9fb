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

struct stream;

/* A stage's hand on its streams: constant, and exchanged when the connection moves on. */
struct stream_events {
	/* len > 0 bytes came; they are gone when this returns, but for what was sent. */
	void (*chunk)(struct stream *, const uint8_t *data, size_t len);
	/* The peer's FIN. Receiving is over; what was held before has been sent. */
	void (*end)(struct stream *);
	/* All that was held, len bytes, is sent, and receiving goes on. */
	void (*sent)(struct stream *, size_t len);
	/* The connection is broken; err is a negative errno. Only to be closed. */
	void (*broken)(struct stream *, int err);
};

/* What the streams of one loop share. */
struct stream_pool {
	struct loop *loop;
	uint8_t *chunk; /* STREAM_CHUNK_MAX bytes to receive into */
	/* Counted here, if not NULL; this loop's thread alone writes them. */
	_Atomic uint64_t *holding, *held_bytes;
};

/* Returns 0 or -ENOMEM. */
int stream_pool_init(struct stream_pool *, struct loop *) MUST_CHECK;
void stream_pool_fini(struct stream_pool *);

struct stream {
	struct loop_source source;
	struct stream_pool *pool;
	const struct stream_events *on;
	uint8_t *held;
	uint32_t held_at, held_len;
	uint32_t lost;   /* bytes of the stream_send that failed which were not sent */
	uint16_t room;   /* a read takes at most this; 0: what is good for bulk */
	uint8_t watched; /* EPOLLIN, EPOLLOUT */
	bool filled : 1; /* the last read took all that it may */
	bool paused : 1; /* its user does not want chunks now */
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

/* Receives one chunk, if one is there, and hands it up, or says end or broken. Nothing may be held. */
void stream_receive(struct stream *);

/*
 * Sends, and holds what the peer does not take. Nothing may be held. Returns 0, or -ENOMEM when there was no memory to
 * hold the rest, or the negative errno of a broken connection; after an error the stream is only to be closed.
 */
int stream_send(struct stream *, const void *data, size_t len) MUST_CHECK;

/* Stops receiving, or goes on. A broken connection is told all the same. */
void stream_pause(struct stream *);
void stream_resume(struct stream *);
bool stream_holds(const struct stream *);

#endif
