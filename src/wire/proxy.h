/*
 * The PROXY protocol's header, versions 1 and 2 (haproxy.org, proxy-protocol.txt), by which a relay says whose
 * connection it hands on: bytes in, a struct out. No descriptor, no clock, no memory of its own.
 */
#ifndef WIRE_PROXY_H
#define WIRE_PROXY_H

#include <stddef.h>
#include <stdint.h>

#define PROXY_LINE_MAX 107 /* of version 1, with its CRLF (the specification, 2.1) */
/*
 * Of version 2: the 536 bytes that a sender may count on to travel in one piece (2.2), and 512 more for its TLVs. A
 * longer one is refused: no relay needs that to say where a client is.
 */
#define PROXY_HEADER_MAX (536 + 512)

enum proxy_result {
	PROXY_MORE, /* all so far belongs to a header, which goes on */
	PROXY_DONE,
	PROXY_BAD, /* whatever follows, it is no header */
};

/* Whose connection it is. */
enum proxy_kind {
	PROXY_LOCAL,   /* the relay's own, as a look at our health is: the connection's own addresses hold */
	PROXY_UNKNOWN, /* a client's, and the relay cannot say whose (UNKNOWN, AF_UNSPEC, AF_UNIX) */
	PROXY_TCP4,
	PROXY_TCP6,
};

struct proxy_end {
	uint8_t ip[16]; /* network order; of TCP4 the first four bytes */
	uint16_t port;  /* host order */
};

struct proxy_header {
	enum proxy_kind kind;
	size_t len;                           /* of the header; what stands behind it is the client's */
	struct proxy_end source, destination; /* of TCP4 and TCP6: the client, and the address that it asked for */
};

/*
 * Looks at the first len bytes of a connection. *out is filled in with PROXY_DONE, *why with PROXY_BAD: a static clause
 * that says what is wrong. Of a longer prefix of the same bytes the answer is the same, but for PROXY_MORE.
 */
enum proxy_result proxy_parse(const uint8_t *data, size_t len, struct proxy_header *out, const char **why);

#endif
