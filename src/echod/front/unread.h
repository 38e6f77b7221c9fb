/*
 * What clients leave unread in the kernel. A client that writes and never reads costs us one chunk, but the kernel its
 * whole receive buffer, and that has grown with what the client did before: to 21 MiB after 64 MiB echoed fast
 * (measured), up to net.ipv4.tcp_rmem. A few hundred of them exhaust what all TCP of the machine may have
 * (net.ipv4.tcp_mem), and then nobody's bytes go anywhere. A fixed buffer would end that, and every long fast path with
 * it; so instead the sum is looked at, and where it is beyond the limit, those that have more than their share of it
 * are reset.
 *
 * Nothing is looked at while no client is slow. Between two looks the sum may pass the limit by what comes in
 * UNREAD_MS.
 */
#ifndef FRONT_UNREAD_H
#define FRONT_UNREAD_H

#define UNREAD_MS 100

struct worker;

/* For worker_start, when its pool is there and nothing is made after it yet. */
void unread_init(struct worker *);

#endif
