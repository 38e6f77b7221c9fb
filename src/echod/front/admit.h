/*
 * Admission, between accept or the PROXY header and TLS, login or echo: whose connection it is, and whether its address
 * may have another one. And the login slots, which the accepting thread hands out and each worker gives back.
 *
 * Addresses and slots are shared by all of the front's threads under one lock, which is taken when a connection comes
 * and when it goes, and never in between.
 */
#ifndef FRONT_ADMIT_H
#define FRONT_ADMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "connection.h"
#include "front.h"
#include "must.h"
#include "slots.h"

struct admission;
struct worker;

/* Makes front->admission, by front->config and front->max_connections. Returns 0 or a negative errno. */
int admit_open(struct front *) MUST_CHECK;

/* ---- on the accepting thread ---- */

/* Whether peer, a client of the listener, is a relay that begins with a PROXY header. */
bool admit_is_relay(const struct order_listener *, const struct peer *);
/* Whether a client of the listener may be told anything in plain words: on a login listener, without TLS or relays. */
bool admit_speaks_at_once(const struct order_listener *);
/*
 * A slot for a client that has come and goes to worker, if it needs one (else SLOTS_NONE). Returns false when there is
 * none.
 */
bool admit_take_slot(struct front *, const struct order_listener *, const struct peer *, uint32_t worker,
                     uint16_t *slot) MUST_CHECK;
/* As slots_choose: to be asked until it says false, and told the worker by ARRIVAL_EVICT, behind its clients. */
bool admit_choose(struct front *, struct slots_hold *, uint32_t *worker);

/* ---- on a worker's thread ---- */

/* The connection has got the slot that was taken for it. */
void admit_bind_slot(struct connection *, uint16_t slot);
/*
 * The connection's peer is known now: it goes on to TLS, login or echo, or is refused. local: its own end, as the
 * client sees it, or NULL where nobody knows. via: the relay that it comes by, or NULL.
 */
void admit_begin(struct connection *, const struct peer *local, const struct peer *via);
/* The connection that a slot was taken for does not come about. Harmless for SLOTS_NONE. */
void admit_drop_slot(struct front *, uint16_t slot);
/* Ends the connection that has the slot in favour of another one. */
void admit_evict(struct worker *, struct slots_hold);
/* For connection.c: its login is over, or it ends. Harmless where it has no slot, or was not counted. */
void admit_give_back_slot(struct connection *);
void admit_leave(struct connection *);

#endif
