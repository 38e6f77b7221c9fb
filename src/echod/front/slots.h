/*
 * Login slots: one for each connection that costs a deadline, a dialogue or a handshake and has not logged in yet. When
 * all are taken, the newcomer gets one all the same, and one of the address with the most of them, the oldest of it,
 * has to go: an address that floods pushes out its own, and one login from elsewhere always finds its place
 * (OpenSSH's MaxStartups drops the newcomer, which an attacker can make everybody's fate).
 *
 * A bridge of slots beyond the limit lasts until who has to go is gone. No lock of its own, as addresses.h.
 */
#ifndef FRONT_SLOTS_H
#define FRONT_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "addresses.h"

#define SLOTS_NONE UINT16_MAX
#define SLOTS_MAX  20000 /* of limit and bridge each */

struct connection;
struct slots;

/* Somebody's hold on a slot; of an earlier one nothing is left when the slot has been given back. */
struct slots_hold {
	uint16_t slot;
	uint32_t generation;
};

/*
 * addresses must outlive it. most: the limit; bridge: how many more may be on their way to a worker, or to their end.
 * Returns 0 or -ENOMEM.
 */
int slots_create(struct slots **, struct addresses *, uint32_t most, uint32_t bridge) MUST_CHECK;
void slots_destroy(struct slots *);

/* A slot for a login of peer that goes to worker, or SLOTS_NONE when even the bridge is full. */
uint16_t slots_take(struct slots *, const struct peer *, uint32_t worker);
/* The connection has come to its worker. */
void slots_bind(struct slots *, uint16_t slot, struct connection *);
/* The connection turns out to be peer's. */
void slots_move(struct slots *, uint16_t slot, const struct peer *);
void slots_give_back(struct slots *, uint16_t slot);

/*
 * Whether somebody has to go, and then who, and of which worker. It is said of each once, and perhaps before the
 * connection has come to its worker: who tells the worker of both keeps the order.
 */
bool slots_choose(struct slots *, struct slots_hold *, uint32_t *worker);
/* The connection that the hold is of, or NULL where it has given its slot back. */
struct connection *slots_holder(const struct slots *, struct slots_hold);

/* How many are taken. */
uint32_t slots_taken(const struct slots *);

#endif
