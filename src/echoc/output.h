/* Standard output for a pipe mode that must never block: whoever feeds us may be the one who does not read us yet. */
#ifndef ECHOC_OUTPUT_H
#define ECHOC_OUTPUT_H

#include <stddef.h>
#include <sys/types.h>

#include "must.h"

struct output {
	int fd;      /* to poll for POLLOUT; POLLERR on it says that nobody reads any more */
	size_t most; /* bytes of one write */
	int is_socket, is_own;
};

void output_open(struct output *);
void output_close(struct output *);

/* Writes what it can, after poll has said POLLOUT. Returns the number of bytes, or a negative errno; -EAGAIN: later. */
ssize_t output_write(struct output *, const void *data, size_t len) MUST_CHECK;

#endif
