/*
 * How many accounts each address has made of late, so that one address makes only so many in an hour: the hour begins
 * with the first of them. IPv4 addresses count each for itself, IPv6 by /64, which is what one customer has
 * (RFC 6177), unix peers by user. It knows no clock. One thread's.
 *
 * The table is bounded: 65,536 addresses (as OpenSSH's PerSourceMaxStartups and penalties have it), in sets of eight by
 * a keyed hash. Where all eight of a set are within their hour, the one whose hour began first is forgotten: whoever
 * has so many addresses is limited by the number of accounts in all.
 */
#ifndef KEEPER_NEWCOMERS_H
#define KEEPER_NEWCOMERS_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"

#define NEWCOMERS_SETS    8192
#define NEWCOMERS_WAYS    8
#define NEWCOMERS_HOUR_MS (60 * 60 * 1000)

struct newcomer {
	uint64_t began_ms;
	uint64_t place; /* of the address: IPv4, or the IPv6 network, or the user */
	uint16_t family;
	uint32_t count; /* 0: free */
};

struct newcomers {
	uint8_t key[16]; /* of the hash: nobody can choose addresses that share a set */
	struct newcomer set[NEWCOMERS_SETS][NEWCOMERS_WAYS];
};

/* Zeroed memory becomes an empty table. password_init must have been called. */
void newcomers_init(struct newcomers *);
/* Whether peer may make another account, with limit (> 0) in an hour; if so it is counted. */
bool newcomers_admit(struct newcomers *, const struct peer *, uint32_t limit, uint64_t now_ms);
/* It made none after all. */
void newcomers_take_back(struct newcomers *, const struct peer *, uint64_t now_ms);

#endif
