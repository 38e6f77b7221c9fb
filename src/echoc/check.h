/* `echoc check`: one round trip, for a health check: it says nothing when all is well. */
#ifndef ECHOC_CHECK_H
#define ECHOC_CHECK_H

#include "must.h"
#include "reach.h"
#include "status.h"

/* Reaches the server as reach_first does, sends a few random bytes, compares what comes back, and ends. */
enum status check_run(struct reach *) MUST_CHECK;

#endif
