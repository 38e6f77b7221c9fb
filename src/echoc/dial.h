/* A connection to an address, all of its name's addresses tried in turn. */
#ifndef ECHOC_DIAL_H
#define ECHOC_DIAL_H

#include <stdint.h>

#include "address.h"
#include "must.h"
#include "phase.h"

#define DIAL_CONNECT_MS 10000 /* for each address */
#define DIAL_WHY_MAX    1024

/*
 * Connects, with TCP_NODELAY and keepalive, until until_ms at the latest (wait.h; a second is always given). Returns 0
 * with the descriptor, the caller's to close, or a negative errno with what failed, where, in why. How long lookup and
 * connection took is set in phases, of what was come to.
 */
int dial(const struct address *, uint64_t until_ms, struct phases *phases, int *fd, char why[DIAL_WHY_MAX]) MUST_CHECK;

#endif
