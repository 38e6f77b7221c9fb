/* `echoc load`: measures an echo server under load from many connections. */
#ifndef ECHOC_LOAD_H
#define ECHOC_LOAD_H

#include "must.h"
#include "reach.h"
#include "status.h"

/*
 * Tries the address and the login with one connection of its own, as reach_first does; then sets up all connections,
 * lets them work as reach->options->load says, and prints the result. SIGINT and SIGTERM end it early with the result
 * so far, a second one at once.
 */
enum status load_run(struct reach *) MUST_CHECK;

#endif
