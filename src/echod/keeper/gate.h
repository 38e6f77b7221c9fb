/*
 * The way of a password to a thread that checks it: past the throttle, then in turn. Whoever comes from where the
 * account was logged in to before goes first and takes, where the queue is full, the place of the last of the others:
 * so a flood of strangers keeps no owner out. No thread, no clock and no memory of its own: the caller brings the time
 * and embeds a struct gate_pass in each of its questions. One thread.
 */
#ifndef KEEPER_GATE_H
#define KEEPER_GATE_H

#include <stdatomic.h>
#include <stdint.h>

#include "throttle.h"

#define GATE_WAITING         64    /* in all (threats.md, T30); with two threads at 20 ms each, under a second's work */
#define GATE_WAITING_ADDRESS 4     /* of one address: else a few connections of one would be everybody's queue */
#define GATE_WAIT_MS         10000 /* longer than that nobody waits for a hash (G21) */

struct gate_pass {
	struct gate_pass *next;
	struct throttle_claim claim;
	uint64_t since_ms;
};

enum gate_refusal {
	GATE_BUSY,    /* the queue is full, of its address or in all, or its turn did not come in time */
	GATE_PENALTY, /* a budget of failures is gone */
};

enum gate_lane { GATE_OWNERS, GATE_OTHERS, GATE_LANES };

struct gate {
	struct throttle *throttle; /* the caller's */
	unsigned room;             /* checks at once */
	unsigned under_way, waiting;
	struct {
		struct gate_pass *first, **end;
	} lane[GATE_LANES];
	/* The check may begin now; gate_end tells its end. */
	void (*enter)(struct gate *, struct gate_pass *);
	/* There is none. wait_ms: after which time another try makes sense; 0 with GATE_BUSY. The pass is the caller's
	 * again. Neither of the two may call the gate. */
	void (*refuse)(struct gate *, struct gate_pass *, enum gate_refusal, uint64_t wait_ms);
};

/* What else is in *gate, throttle, room and the calls, is the caller's to fill in first. */
void gate_init(struct gate *);

/*
 * A password for name (normalised) has come from peer. Calls enter or refuse for it now or later, and perhaps for
 * others. counts_address: whether GATE_WAITING_ADDRESS is for this one, too.
 */
void gate_ask(struct gate *, struct gate_pass *, const struct peer *, const char *name, bool counts_address,
              uint64_t now_ms);
/* A check that was let in has ended. Returns what throttle_settle does. The next ones enter. */
uint64_t gate_end(struct gate *, struct gate_pass *, enum throttle_outcome, uint64_t now_ms);
/* Refuses whoever has waited too long. Returns in how many milliseconds to call it again, or 0 when nobody waits. */
uint64_t gate_advance(struct gate *, uint64_t now_ms);
/* Takes one that waits off, or NULL: for what is not worth doing any more. */
struct gate_pass *gate_withdraw(struct gate *);

#endif
