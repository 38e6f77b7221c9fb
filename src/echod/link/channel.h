/* Fixed-size messages, with or without a descriptor, over a SOCK_SEQPACKET pair. */
#ifndef LINK_CHANNEL_H
#define LINK_CHANNEL_H

#include <stddef.h>

#include "must.h"

/* A pair of ends, close-on-exec and blocking. Returns 0 or a negative errno. */
int channel_pair(int ends[2]) MUST_CHECK;

/*
 * Sends a message of len bytes whole, with descriptor pass_fd (-1: none), which stays the caller's. Returns 0 or a
 * negative errno, -EAGAIN where it would wait and dont_wait is set.
 */
int channel_send(int fd, const void *message, size_t len, int pass_fd, int dont_wait) MUST_CHECK;

/*
 * Receives a message of len bytes whole. *got_fd is the descriptor that came with it, close-on-exec and the caller's,
 * or -1; got_fd may be NULL where none is expected, and then one that comes is closed. Returns 0, -EPIPE when the other
 * end is gone, -EBADMSG for a message of another size, or another negative errno.
 */
int channel_receive(int fd, void *message, size_t len, int *got_fd, int dont_wait) MUST_CHECK;

#endif
