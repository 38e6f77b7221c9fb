/*
 * An address as it stands on the command line, the same for all three programs:
 *
 *     [login:|raw:|tls:|raw+tls:]HOST[:PORT]   HOST:FIRST-LAST   :PORT   PORT   unix:PATH   raw+unix:PATH
 *
 * and a peer as the kernel gives it. Values only: nothing here opens a descriptor.
 */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "must.h"

#define ADDRESS_HOST_MAX 256 /* a DNS name has 253 characters at most (RFC 1035), and a zone may follow a literal */
#define ADDRESS_PATH_MAX 108 /* sun_path (unix(7)) */
#define ADDRESS_TEXT_MAX 300 /* an address as text, with its prefix, port and NUL */

enum address_port { ADDRESS_PORT_DEFAULT, ADDRESS_PORT_EXPLICIT, ADDRESS_PORT_RANGE };

struct address {
	bool raw, tls, is_unix;
	enum address_port port_kind;
	uint16_t first, last;        /* ports; first == last but for a range */
	char host[ADDRESS_HOST_MAX]; /* without brackets; empty for a unix socket */
	char path[ADDRESS_PATH_MAX];
};

/*
 * Parses text whole. A missing host is 127.0.0.1, a missing port default_port. Returns 0, or -EINVAL with *why one
 * sentence that says what is wrong and what is wanted (static text).
 */
int address_parse(const char *text, uint16_t default_port, struct address *out, const char **why) MUST_CHECK;

/* Writes prefix, host and port (the given one) as address_parse takes them; a login address has no prefix. */
void address_format(const struct address *, uint16_t port, char text[ADDRESS_TEXT_MAX]);

#define PEER_TEXT_MAX 80 /* [IPv6%zone]:port, or `unix:uid=1000` */

/* The other end of a connection, small enough to keep one for each: a family, an address, a port; or a unix peer. */
struct peer {
	uint16_t family; /* AF_INET, AF_INET6 or AF_UNIX */
	uint16_t port;   /* host order */
	uint32_t scope;  /* IPv6 zone; of a unix peer the user id */
	uint8_t ip[16];  /* IPv4 in the first four bytes */
};

/* IPv4-mapped IPv6 addresses become IPv4. A family that is none of ours gives AF_UNSPEC. */
struct peer peer_from_sockaddr(const struct sockaddr_storage *);
void peer_format(const struct peer *, char text[PEER_TEXT_MAX]);
/* The same without a port: what a throttle or a last login is about. */
void peer_format_host(const struct peer *, char text[PEER_TEXT_MAX]);
/* What peer_format has written. Returns 0, or -EINVAL; an IPv6 zone, which has a meaning on one machine only, is
 * refused.
 */
int peer_parse(const char *text, struct peer *out) MUST_CHECK;
bool peer_is_loopback(const struct peer *);
bool peer_same_host(const struct peer *, const struct peer *);

/*
 * Whether a secret may travel between these two ends of one connection in the clear: on a unix socket, or where both
 * are addresses of this machine (127/8, ::1, or equal to each other).
 */
bool peer_path_is_local(const struct peer *, const struct peer *);

#endif
