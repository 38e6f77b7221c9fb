/*
 * The PROXY stage: a connection from a relay begins with a header that says whose it is (wire/proxy.h). It must, and in
 * RELAY_MS, or the connection is reset without a word. Then admission.
 */
#ifndef FRONT_RELAY_H
#define FRONT_RELAY_H

#include "connection.h"

#define RELAY_MS 3000 /* the specification, 3: at least 3 seconds, for a packet that is lost and sent again */

void relay_begin(struct connection *);
/* For closing: lets go of the descriptor and frees what the stage keeps. */
void relay_forget(struct connection *);

#endif
