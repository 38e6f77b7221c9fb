/* Front and keeper while they run: what they say is heard, and when one ends it is started again. */
#ifndef PARENT_SUPERVISE_H
#define PARENT_SUPERVISE_H

#include "run.h"

void supervise_init(struct run *);
/* Finds the programs, before the process becomes somebody who may not. As supervise_start. */
int supervise_find(struct run *) MUST_CHECK;
/* Lets go of them. */
void supervise_fini(struct run *);
/* Starts one for the first time. Returns 0, or a negative errno after having said why. */
int supervise_start(struct run *, struct child *) MUST_CHECK;
/* After SIGCHLD: sees who has ended. */
void supervise_reap(struct run *);
bool supervise_all_ended(const struct run *);

#endif
