/*
 * One thread of a load: a loop with its share of the connections. It sets them up, waits to be told to begin, sends
 * until the window closes, and ends when all echoes are there or LOAD_DRAIN_MS have passed.
 */
#ifndef ECHOC_LOAD_THREAD_H
#define ECHOC_LOAD_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "identity.h"
#include "load_connection.h"
#include "load_measures.h"
#include "load_options.h"
#include "load_pace.h"
#include "loop.h"
#include "must.h"
#include "secret.h"

#define LOAD_DRAIN_MS 5000
#define LOAD_WHY_MAX  320

/* What all threads are to do. Only the atomics change while they run. */
struct load_plan {
	const struct load_options *options;
	struct sockaddr_storage target;
	socklen_t target_len;
	bool raw, may_create, may_leave_machine;
	struct tls_context *tls; /* NULL: plain */
	const char *host;        /* that the certificate is for */
	const struct identity *identity;
	bool watched; /* somebody wants to see each second */
	const char *user;
	const struct secret *secret;
	uint64_t start_ns; /* of the ramp */
	int notify; /* an eventfd that is written to when a thread has set up its connections, and when it ends */
	atomic_uint set_up, ended;               /* threads */
	atomic_uint connections;                 /* that have been set up, or have failed to be */
	atomic_uint_fast64_t begin_ns, close_ns; /* 0: not yet. The window opens a warm-up after begin_ns */
};

struct load_thread {
	struct load_plan *plan;
	pthread_t id;
	int failed; /* a negative errno of the loop */
	struct loop loop;
	struct loop_source wake, timer;
	struct deadline edge, publish;
	struct load_connection *connections;
	struct load_flight *flights;
	uint64_t index, count, dialled, pending, settled, over;
	bool pumping, begun, opened, draining;
	/* for each message */
	bool open_loop;
	uint32_t flight_max, flight_mask;
	uint64_t messages_max; /* a connection */
	uint64_t begin_ns, open_ns, window_ns, close_ns;
	uint8_t *buf;
	struct channel_room room;
	struct load_step step, connection_step; /* from one message to the next: of the thread, of a connection */
	struct load_pace due;
	uint64_t cursor; /* the connection that is due next */
	struct load_measures measures;
	/* the share of a core that it has used in the window */
	uint64_t cpu_ns, cpu_at_ns;
	double cpu_share;
	char why[LOAD_WHY_MAX]; /* what went wrong first */
	/* what others may see of it, as of once a second */
	pthread_mutex_t lock;
	struct load_measures published;
	uint64_t published_ns; /* when that was */
};

#define LOAD_BUF           (256 * 1024) /* one recv takes so much at most: smaller ones cost more in bulk */
#define LOAD_BUF_ALIGNMENT 4096         /* and so do unaligned ones */

/* Makes the share of thread index of plan->options->threads and starts it. Returns 0 or a negative errno. */
int load_thread_start(struct load_thread *, struct load_plan *, uint64_t index) MUST_CHECK;
/* The plan's atomics have changed. */
void load_thread_wake(struct load_thread *);
/* Waits for its end, which is bounded by the plan, and frees what it has but its measures. */
void load_thread_join(struct load_thread *);

/* For its connections. */
void load_thread_settled(struct load_thread *); /* one is set up for the first time, or has failed to be */
void load_thread_over(struct load_thread *);    /* one will do no more */

#endif
