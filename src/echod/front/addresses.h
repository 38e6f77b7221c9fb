/*
 * The addresses that clients come from: how many connections each has, how many logins under way, and how often new
 * ones come. IPv6 is taken by /64, for that much a single host has for itself (RFC 4291, 2.5.1); IPv4-mapped IPv6 is
 * IPv4, as in struct peer; a unix socket's peers go by user id.
 *
 * The table is bounded. What it must know, addresses that have connections or logins now, are never more than there
 * may be connections, and always have their place. Besides it remembers at least ADDRESSES_IDLE_MAX that have none, for
 * their rate; when another comes, the one that has been so for longest is forgotten, and its rate begins anew. So only
 * whoever has more than that many addresses may come faster from each than the rate, which a second forgets anyway.
 *
 * No lock and no clock of its own: whoever calls holds the lock, and says what time it is.
 */
#ifndef FRONT_ADDRESSES_H
#define FRONT_ADDRESSES_H

#include <stdint.h>

#include "address.h"
#include "must.h"

#define ADDRESSES_IDLE_MAX 16384
#define ADDRESSES_RATE_MAX 1000000 /* a second; its thousandths fit in 32 bits */

struct addresses;

enum addresses_verdict { ADDRESSES_IN, ADDRESSES_TOO_MANY, ADDRESSES_TOO_FAST };

/*
 * live: how many addresses may have connections or logins at once. most: connections of one address; rate: new ones of
 * it a second, and as many at once after a second of silence; 0 is no limit. seed is secret and random: it keeps
 * strangers from choosing addresses that fall together. Returns 0 or -ENOMEM; memory is touched as addresses come.
 */
int addresses_create(struct addresses **, uint32_t live, uint32_t most, uint32_t rate,
                     const uint64_t seed[4]) MUST_CHECK;
void addresses_destroy(struct addresses *);

/* A new connection of peer: counted if it may come in, and then to be told off with addresses_leave. */
enum addresses_verdict addresses_enter(struct addresses *, const struct peer *, uint64_t now_ms);
void addresses_leave(struct addresses *, const struct peer *);

/* A login of peer begins, or ends. Returns its address's number, by which addresses_logins tells how many it has. */
uint32_t addresses_login(struct addresses *, const struct peer *);
void addresses_login_over(struct addresses *, uint32_t number);
uint32_t addresses_logins(const struct addresses *, uint32_t number);

/* How many addresses have connections or logins now. */
uint32_t addresses_live(const struct addresses *);

#endif
