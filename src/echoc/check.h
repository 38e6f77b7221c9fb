/* `echoc check`: one round trip, for a health check: it says nothing when all is well. */
#ifndef ECHOC_CHECK_H
#define ECHOC_CHECK_H

#include "must.h"
#include "reach.h"
#include "status.h"

/*
 * Reaches the server as reach_first does, makes one round trip, and ends; a connection that is lost before counts as
 * one that was not made, as long as --wait lasts. With --json an object is on standard output in any case.
 */
enum status check_run(struct reach *) MUST_CHECK;

#endif
