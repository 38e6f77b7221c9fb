/* A talk on a terminal: each line goes out, comes back, and is shown with its round-trip time. */
#ifndef ECHOC_TALK_H
#define ECHOC_TALK_H

#include "reach.h"

/* Runs until the person leaves, and returns the exit status. What went wrong has been said. */
enum status talk_run(struct reach *);

#endif
