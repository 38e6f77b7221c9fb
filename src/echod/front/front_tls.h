/* The stage of the TLS handshake, and the wrap of the streams that have passed it. net/tls.h makes the sessions. */
#ifndef FRONT_FRONT_TLS_H
#define FRONT_FRONT_TLS_H

#include "connection.h"
#include "stream.h"

#define FRONT_TLS_SHAKE_MS 10000 /* for the handshake, within the login's own limit */

/* For the worker's pool of wrapped streams. */
extern const struct stream_wrap front_tls_wrap;

/* Takes a connection over, whose stream may be open already; then login or echo. */
void front_tls_begin(struct connection *);

#endif
