/*
 * Who is at the other end of a TLS channel: settled after the handshake and before anything is sent. A server is
 * trusted by the pin of the command line, and then by nothing else; or because its chain and name check out; or because
 * its key is the one that was kept when it was first met, whatever the certificate's dates and names are.
 */
#ifndef ECHOC_IDENTITY_H
#define ECHOC_IDENTITY_H

#include <stdbool.h>
#include <stdio.h>

#include "address.h"
#include "explain.h"
#include "must.h"
#include "tls.h"

struct identity {
	const char *wanted;         /* the pin of the command line, or NULL */
	char accepted[TLS_PIN_MAX]; /* the key that a person has said yes to in this process; empty: none */
	char pin[TLS_PIN_MAX];      /* the key of the last server that was trusted */
	bool by_chain;              /* it was for its chain and name */
	bool asked;                 /* a person was asked in the last identity_settle, which takes its time */
};

/* Who asks: where is fit to show. may_ask: there is a terminal, and it is the first connection. */
struct identity_place {
	const char *where;
	const struct address *address;
	bool may_ask;
	FILE *out; /* for the loud stop */
};

/* Returns whether the server behind tls, whose handshake is done, is trusted; else trouble says why not. */
bool identity_settle(struct identity *, const struct identity_place *, const struct tls *, struct trouble *) MUST_CHECK;

/* Whether this one is the server that was settled on before, or as good: for connections beside it. */
bool identity_matches(const struct identity *, const struct tls *);

#endif
