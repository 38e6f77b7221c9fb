/* The echo stage: RFC 862. What comes goes back; a client that does not read is not read from. */
#ifndef FRONT_ECHO_H
#define FRONT_ECHO_H

#include <stddef.h>
#include <stdint.h>

#include "connection.h"

/* Takes a connection over, and len bytes of rest that came behind its login. */
void echo_begin(struct connection *, const uint8_t *rest, size_t len);
/* The server goes: what has arrived is echoed, then the connection ends. */
void echo_drain(struct connection *);

#endif
