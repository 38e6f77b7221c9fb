/*
 * A handshake of a server's settings with a client's, in memory. OpenSSL takes keys that no TLS 1.3 handshake can use,
 * and leaves out in silence, for as long as the process lives, an algorithm that it finds no memory for: neither shows
 * before the first client comes. Only tls_context.c includes this.
 */
#ifndef NET_TLS_TRIAL_H
#define NET_TLS_TRIAL_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "must.h"

/* Whether it comes to its end; if not, OpenSSL's last error tells why. The server's ALPN callback is not called. */
bool tls_trial_succeeds(SSL_CTX *server, SSL_CTX *client) MUST_CHECK;

#endif
