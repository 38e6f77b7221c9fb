/* Sockets: opened non-blocking and close-on-exec, tuned alike on both ends. */
#ifndef NET_SOCKET_H
#define NET_SOCKET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "must.h"

#define SOCKET_BACKLOG 4096 /* as memcached and nginx-like servers do; net.core.somaxconn cuts it */

/*
 * Binds and listens on addr, exclusively: SO_REUSEADDR, never SO_REUSEPORT, and IPV6_V6ONLY. Returns the descriptor or
 * a negative errno; -EADDRINUSE comes from bind or listen alike (two binds with SO_REUSEADDR both succeed before a
 * listen).
 */
int socket_listen(const struct sockaddr *addr, socklen_t len) MUST_CHECK;

/* TCP_NODELAY: an echo is never held back to be joined with a later one. Harmless on a unix socket. */
void socket_set_nodelay(int fd);

/* Urgent data stays in its place in the stream (RFC 6093), and so comes back as every byte does. */
void socket_set_oob_inline(int fd);

/*
 * TCP keepalive: first probe after idle_s seconds, then every tenth of a minute, dead after six (60/10/6). 0 is off.
 * Harmless on a unix socket.
 */
void socket_set_keepalive(int fd, unsigned idle_s);

/* How many bytes the kernel holds that the peer has not acknowledged (a FIN counts as one), or a negative errno. */
int socket_unacknowledged(int fd);

/* The local end's port in host order, or 0. */
uint16_t socket_local_port(int fd);

#endif
