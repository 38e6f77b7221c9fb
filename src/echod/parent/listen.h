/* The listeners: opened by the parent, served by the front, and the parent's own for as long as it lives. */
#ifndef PARENT_LISTEN_H
#define PARENT_LISTEN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "address.h"
#include "log.h"
#include "options.h"

struct listener {
	struct address address;
	int fd; /* -1: closed */
	uint16_t port;
	bool local; /* no other machine reaches it */
	char text[ADDRESS_TEXT_MAX];
	/* of a unix socket */
	int lock_fd; /* -1: none */
	dev_t dev;
	ino_t ino;
};

/*
 * Opens what address says, on another port where the options allow it. Returns 0; or -1 with one sentence in why.
 */
int listen_open(struct listener *, const struct address *, const struct options *, struct log *,
                char why[1024]) MUST_CHECK;
/*
 * Closes it; a unix socket that is still ours is removed. Harmless on one that is closed. Returns 0, or a negative
 * errno when the socket stays where it is, stale.
 */
int listen_close(struct listener *);

#endif
