/* What the kernel itself has measured of a TCP connection (TCP_INFO, tcp(7)). */
#ifndef ECHOC_KERNEL_VIEW_H
#define ECHOC_KERNEL_VIEW_H

#include <stdbool.h>
#include <stdint.h>

struct kernel_view {
	bool known;      /* false on a unix socket, and before the first connection */
	bool min_known;  /* the kernel has a shortest round trip (Linux 4.6) */
	uint32_t rtt_us; /* smoothed (RFC 6298), of the last connection, as are the next two */
	uint32_t rttvar_us;
	uint32_t min_rtt_us;
	uint64_t retransmits; /* segments that were sent again, on all connections */
	uint64_t before;      /* of these, on the connections before the last */
};

/* Looks at a connected socket; what was known stays where the kernel tells nothing. */
void kernel_view_read(struct kernel_view *, int fd);
/* To be called when the connection that was read last is done with. */
void kernel_view_next(struct kernel_view *);

#endif
