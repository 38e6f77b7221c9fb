/* A network as a person writes it, `10.0.0.0/8` or `2001:db8::/32`, and whether a peer is in it. Values only. */
#ifndef NET_NETWORK_H
#define NET_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "must.h"

struct network {
	uint16_t family; /* AF_INET or AF_INET6 */
	uint8_t bits;    /* of the prefix */
	uint8_t ip[16];  /* as in struct peer; 0 behind the prefix */
};

#define NETWORKS_MAX 16 /* in a list */

struct network_list {
	uint32_t count;
	struct network network[NETWORKS_MAX];
};

/*
 * Parses ADDRESS/BITS, or an address alone, which is a network of one. IPv4-mapped IPv6 becomes IPv4, as peers do.
 * Returns 0, or -EINVAL with *why one clause that says what is wrong and what is wanted (static text).
 */
int network_parse(const char *text, struct network *out, const char **why) MUST_CHECK;

bool network_has(const struct network *, const struct peer *);
bool network_list_has(const struct network_list *, const struct peer *);

#endif
