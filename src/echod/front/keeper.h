/*
 * A worker's link to the keeper: questions out, verdicts in, each matched to its connection by a slot and a sequence
 * number, so that a verdict for a connection that is gone finds nobody. While there is no keeper, questions fail at
 * once.
 */
#ifndef FRONT_KEEPER_H
#define FRONT_KEEPER_H

#include <stdint.h>

#include "ask.h"
#include "loop.h"

#define KEEPER_SLOTS 1024 /* questions of a worker that may be under way: as many names as the keeper queues */

struct connection;

/* Called once for each keeper_ask that returned a slot and was not forgotten; the slot is free again. */
typedef void keeper_answered(struct connection *, const struct verdict *);

struct keeper {
	struct loop *loop;
	struct loop_source source; /* fd -1: no keeper */
	struct deadline again;     /* to watch a link for which there was no memory */
	uint32_t free_count;
	uint16_t free_slots[KEEPER_SLOTS];
	/* Slots whose questions the socket does not take yet, in order; a ring. */
	uint32_t unsent_first, unsent_count;
	uint16_t unsent[KEEPER_SLOTS];
	struct {
		struct connection *connection; /* NULL: free */
		keeper_answered *answered;
		uint32_t sequence;
		struct ask *ask; /* not sent yet; ours, and wiped when it is */
	} slot[KEEPER_SLOTS];
};

void keeper_init(struct keeper *, struct loop *);
/* A new keeper's link, which becomes ours; what was asked of the old one is answered ANSWER_UNAVAILABLE. */
void keeper_replace(struct keeper *, int fd);
/*
 * Sends ask, with its id filled in, now or when the keeper takes it. Returns the slot; or -ENOTCONN while there is no
 * keeper, or -EAGAIN when too many questions are under way.
 */
int keeper_ask(struct keeper *, struct ask *, struct connection *, keeper_answered *) MUST_CHECK;
/* The connection is going: its answer is not wanted any more. */
void keeper_forget(struct keeper *, int slot);

#endif
