/*
 * A link to one of the front's workers: questions come in, verdicts go out. A front that takes no verdicts is asked for
 * no more questions. One thread: the keeper's loop.
 */
#ifndef KEEPER_FRONT_LINK_H
#define KEEPER_FRONT_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "ask.h"
#include "judge.h"
#include "loop.h"

struct front_link {
	struct loop_source source; /* fd -1: none */
	struct loop *loop;
	void (*asked)(struct front_link *, const struct ask *);
	struct deadline again; /* to watch it, when there was no memory */
	uint32_t index, generation;
	bool waits;                            /* for room to send; it is not read from meanwhile */
	struct pool_job *unsent, **unsent_end; /* verdicts that the socket does not take yet */
};

/* Of worker number index, with no descriptor yet. asked gets each question; it is wiped when that returns. */
void front_link_init(struct front_link *, struct loop *, uint32_t index,
                     void (*asked)(struct front_link *, const struct ask *));
/* fd, which becomes the link's, takes the place of what was there, whose verdicts are dropped. Not watched yet. */
void front_link_replace(struct front_link *, int fd);
/* Questions are taken from now on. Harmless where there is no descriptor. */
void front_link_watch(struct front_link *);
/* Sends the verdict, or keeps it until there is room. Takes the case over; one of an older link finds nobody. */
void front_link_deliver(struct front_link *, struct judge_case *);

#endif
