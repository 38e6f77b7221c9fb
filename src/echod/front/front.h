/* What all of the front's threads share, read-only once they run, but for the atomics. */
#ifndef FRONT_FRONT_H
#define FRONT_FRONT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "counters.h"
#include "log.h"
#include "orders.h"

/* Descriptors kept for clients that are being told that there is no room. */
#define FRONT_REFUSING_MAX 32

struct admission;

struct front {
	struct order_config config;
	struct order_listener listener[ORDER_LISTENERS_MAX];
	int listener_fd[ORDER_LISTENERS_MAX]; /* -1 once drained; the accepting thread's */
	struct tls_context *tls;              /* NULL: no listener speaks TLS. The main thread's; workers have shares */
	struct log *log;
	bool debugging; /* the log wants each read and write */
	struct counters *counters;
	uint32_t max_connections;
	struct admission *admission;
	char host[256];       /* for the greeting */
	atomic_uint refusing; /* connections over the limit that are being told so */
	int empty_fd;         /* eventfd: a drained worker has no connection left */
};

#endif
