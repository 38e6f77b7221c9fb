/*
 * One connection that is let idle: a few bytes there and back show that it stands, then it says nothing for its time,
 * then a few bytes more show whether it still does.
 */
#ifndef ECHOC_IDLE_TRIAL_H
#define ECHOC_IDLE_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "channel.h"
#include "idle_search.h"
#include "must.h"

#define IDLE_TRIAL_BYTES 16

enum idle_trial_state {
	IDLE_TRIAL_WAITS,  /* for a connection */
	IDLE_TRIAL_BEGINS, /* the first bytes are on their way */
	IDLE_TRIAL_IDLES,
	IDLE_TRIAL_ASKS, /* the last bytes are on their way */
	IDLE_TRIAL_OVER,
};

enum idle_trial_event {
	IDLE_TRIAL_GOES_ON,
	IDLE_TRIAL_FOUND,   /* and is over */
	IDLE_TRIAL_LOST,    /* before it could idle: it waits for another connection */
	IDLE_TRIAL_DAMAGED, /* other bytes came than were sent */
	IDLE_TRIAL_BROKEN,  /* TLS refuses what came */
};

struct idle_trial {
	enum idle_trial_state state;
	uint64_t idle_ms; /* how long it is to idle */
	struct channel channel;
	uint64_t since_ns; /* when its state began */
	uint64_t idled_ms; /* how long it did, where it asks */
	uint8_t sent[IDLE_TRIAL_BYTES];
	size_t came; /* of what was sent */
};

/* Waits for a connection to let idle so long. */
void idle_trial_init(struct idle_trial *, uint64_t idle_ms);
/* Takes the connection over, without TCP keepalive, and begins. */
void idle_trial_begin(struct idle_trial *, const struct channel *, uint64_t now_ns);
/* Ends its connection, if it has one, and is over. */
void idle_trial_end(struct idle_trial *);

/* Whether it has a connection, which is to be polled for POLLIN. */
bool idle_trial_stands(const struct idle_trial *);
/* When it has something to do by itself; it stands. */
uint64_t idle_trial_due_ns(const struct idle_trial *);

/*
 * Does what there is to do. on_time: the caller has waited for nothing but its trials since the last step, so that what
 * is seen now has happened now.
 */
enum idle_trial_event idle_trial_step(struct idle_trial *, uint64_t now_ns, bool on_time,
                                      struct idle_finding *) MUST_CHECK;

#endif
