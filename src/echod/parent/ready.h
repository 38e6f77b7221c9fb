/* Who waits for the server is told where it listens: the ready line on stdout and in run/, and the port file. */
#ifndef PARENT_READY_H
#define PARENT_READY_H

#include "run.h"

/* Tells. Returns 0, or a negative errno when the port file cannot be written, and then stdout is told nothing. */
int ready_tell(struct run *) MUST_CHECK;
/* Removes the port file, if it is ours; the control socket's end removes the line in run/. */
void ready_take_back(struct run *);

#endif
