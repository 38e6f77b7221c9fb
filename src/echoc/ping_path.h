/*
 * The path under test: one connection that probes are sent on, and that is made anew when it is lost. What happens to
 * it is told to a listener; nothing is printed and nothing allocated on the way of a probe.
 *
 * Late: an answer after late_ms. Stall: for late_ms nothing has come though something is awaited; it began when the
 * first unanswered probe was sent (or, if that is later, when bytes last came), and ends when bytes come again. Outage:
 * from when the end of the connection is noticed to the first byte back on a new one; where a stall of redial_ms was
 * given up, from the stall's beginning. After damage the connection is made anew, to be in step again; that is no
 * outage unless it fails.
 *
 * What was sent and has not come back is sent again on the new connection, and its probes give no round-trip time. If
 * nothing is, wants_probe asks for a probe at once, so that the outage's length does not wait for the next one.
 */
#ifndef ECHOC_PING_PATH_H
#define ECHOC_PING_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exchange.h"
#include "kernel_view.h"
#include "must.h"
#include "ping_event.h"
#include "ping_options.h"
#include "reach.h"
#include "reach_thread.h"

enum ping_state {
	PING_DOWN,     /* no connection */
	PING_ON_TRIAL, /* a new connection, and nothing has come back on it yet */
	PING_UP,       /* bytes come back, or it is the first connection */
};

struct ping_path {
	const struct ping_options *options;
	struct ping_listener listener;
	enum ping_state state;
	struct exchange exchange;
	struct reach_thread dial;
	struct kernel_view kernel;
	struct ping_probe *probes; /* in the air, a ring */
	size_t probes_max, probes_first, probes_count;
	uint64_t progress_ns;  /* when bytes last came, or the connection was there */
	uint64_t stall_ns;     /* when the present stall began; 0: none */
	uint64_t outage_ns;    /* when the present outage began; 0: none */
	uint64_t renewal_ns;   /* when the connection was ended because of damage */
	uint64_t dial_ns;      /* when the last try began */
	uint64_t next_dial_ns; /* when the next is due */
	uint64_t not_sent;     /* probes of the present outage */
	unsigned told_trouble; /* of the present outage: which was told last */
	bool wants_probe;      /* one is to be sent now, whenever the next is due */
	bool damaged;          /* since a probe last came back as it was sent */
	bool over;             /* nothing is worth another try: status and why tell */
	enum status status;
	char why[REACH_WHY_MAX]; /* a sentence without its full stop */
};

/* Takes over the channel, which reach_first made. Returns 0 or a negative errno; reach and options stay the caller's.
 */
int ping_path_open(struct ping_path *, struct reach *, const struct channel *, const struct ping_listener *) MUST_CHECK;
/* Harmless where ping_path_open failed. Not to be called while a try is under way. */
void ping_path_close(struct ping_path *);

/* Whether a probe can be sent now: there is a connection, and room. */
bool ping_path_can_send(const struct ping_path *);
/* Sends probe number seq; late_own_ns as in ping_probe. */
void ping_path_send(struct ping_path *, uint64_t seq, uint64_t late_own_ns);
/* Counts and tells a probe that was due, at its sent_ns and sent_us, and could not be sent. */
void ping_path_leave_out(struct ping_path *, const struct ping_probe *);

/* What to poll for, as poll(2) takes it; -1 for the descriptor: nothing. */
int ping_path_fd(const struct ping_path *);
short ping_path_events(const struct ping_path *);
/* Whether there is something to be done without the descriptor. */
bool ping_path_pending(const struct ping_path *);
/* What to do when revents of it are there, or it is pending. */
void ping_path_step(struct ping_path *, short revents);

/* Does what time asks for; and when, in ns of the monotonic clock, it will ask next: UINT64_MAX, it does not. */
void ping_path_tick(struct ping_path *, uint64_t now_ns);
uint64_t ping_path_due_ns(const struct ping_path *);

/* Tells what becomes of the probes that are still in the air: lost, or cut off where they may yet come. */
void ping_path_give_up(struct ping_path *, bool all_lost);

#endif
