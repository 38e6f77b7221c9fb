/*
 * The server's own key and its self-signed certificate, tls.key and tls.crt in the state directory. Servers may share
 * it: what is made is made under the lock tls.lock, and each finds what another has made.
 */
#ifndef PARENT_CERTIFICATE_OWN_H
#define PARENT_CERTIFICATE_OWN_H

#include "certificate.h"

#define CERTIFICATE_OWN_FILE "tls.crt"
/* 90 days, as Mozilla's Server Side TLS has it; whoever runs on is renewed with a month to spare. */
#define CERTIFICATE_OWN_DAYS   90
#define CERTIFICATE_RENEW_DAYS 30

/*
 * Reads both into one text, to be wiped by the caller. A key that is there is never written over, for clients know the
 * server by it; a certificate that is no good, or ends within CERTIFICATE_RENEW_DAYS, is made anew for it. Returns 0,
 * or -1 with one sentence in why. Waits for another server that makes one, for a few seconds at most.
 */
int certificate_own_read(const char *state, struct pem *both, struct pem_facts *, enum certificate_news *,
                         char why[CERTIFICATE_WHY_MAX]) MUST_CHECK;

#endif
