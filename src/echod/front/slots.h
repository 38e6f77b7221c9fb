/*
 * Login slots: one for each connection that costs a deadline, a dialogue or a handshake and has not logged in yet. When
 * all are taken, the newcomer gets one all the same, and one of the address with the most of them, the oldest of it,
 * has to go: an address that floods pushes out its own, and one login from elsewhere always finds its place
 * (OpenSSH's MaxStartups drops the newcomer, which an attacker can make everybody's fate).
 *
 * A few slots beyond the limit bridge the time until who has to go is gone. No lock of its own, as addresses.h.
 */
#ifndef FRONT_SLOTS_H
#define FRONT_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "addresses.h"

#define SLOTS_MAX    60000
#define SLOTS_BRIDGE 1024 /* about what a worker's inbox holds */
#define SLOTS_NONE   UINT16_MAX

struct connection;
struct slots;

/* Somebody's hold on a slot; of an earlier one nothing is left when the slot has been given back. */
struct slots_hold {
	uint16_t slot;
	uint32_t generation;
};

/* addresses must outlive it. most is SLOTS_MAX at most. Returns 0 or -ENOMEM. */
int slots_create(struct slots **, struct addresses *, uint32_t most) MUST_CHECK;
void slots_destroy(struct slots *);

/* A slot for a login of peer, or SLOTS_NONE when even the bridge is full. */
uint16_t slots_take(struct slots *, const struct peer *);
/* The connection of worker that has the slot: from now on it may be chosen to go. */
void slots_bind(struct slots *, uint16_t slot, struct connection *, uint32_t worker);
/* The connection turns out to be peer's. */
void slots_move(struct slots *, uint16_t slot, const struct peer *);
void slots_give_back(struct slots *, uint16_t slot);

/* Whether somebody has to go, and then who, and of which worker. It is said of each once. */
bool slots_choose(struct slots *, struct slots_hold *, uint32_t *worker);
/* The connection that the hold is of, or NULL where it has given its slot back. */
struct connection *slots_holder(const struct slots *, struct slots_hold);

/* How many are taken. */
uint32_t slots_taken(const struct slots *);

#endif
