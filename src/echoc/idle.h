/* `echoc idle`: finds after how long something on the path cuts a connection that idles, by bisection. */
#ifndef ECHOC_IDLE_H
#define ECHOC_IDLE_H

#include "must.h"
#include "reach.h"
#include "status.h"

/*
 * Tries the address and the login with one connection, as reach_first does; then lets connections idle side by side,
 * as reach->options->idle says, and prints the answer. Status 0 whether a cut was found or not; 1 where it was ended
 * before its time; or what stood against more connections.
 */
enum status idle_run(struct reach *) MUST_CHECK;

#endif
