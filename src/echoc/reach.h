/*
 * Reaching the server: dial, TLS, log in, the first time and after every drop, with the waits between the tries. It
 * tells a person what happens, one sentence each, on stderr.
 */
#ifndef ECHOC_REACH_H
#define ECHOC_REACH_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "backoff.h"
#include "channel.h"
#include "identity.h"
#include "must.h"
#include "options.h"
#include "secret.h"
#include "status.h"
#include "tokens.h"

struct reach {
	const struct options *options;
	struct address address;
	const char *user; /* NULL for a raw address */
	bool on_terminal; /* a person is there: comes back for ever, and leaving the password prompt is no error */
	void (*show)(const char *); /* as in login_terms, for the first login */
	struct secret secret;
	struct tokens tokens;
	struct identity identity; /* TLS only, as are the next two */
	struct tls_context *tls;  /* NULL: none was needed yet */
	struct channel_room room; /* of the channels that reach gives out: they end before it */
	char where[ADDRESS_TEXT_MAX];
	char shown_user[WIRE_NAME_BYTES_MAX * 4 + 1];
	struct backoff backoff;
	bool warned;
	bool may_ask; /* for a password */
	bool left;    /* the person did not want to type a password */
	unsigned refusals;
	uint64_t connected_ms; /* when the present connection was there */
	uint64_t trouble_ms;   /* since when there is no progress; 0 when there is */
};

/* Both address and options stay as they are until reach_fini. user may be NULL for a raw address. */
void reach_init(struct reach *, const struct options *, const struct address *, const char *user);
/* Wipes the password and the token. */
void reach_fini(struct reach *);

/*
 * The first connection, ready for echo, which the caller closes. On any other status than STATUS_FINE it has been said
 * why.
 */
enum status reach_first(struct reach *, struct channel *) MUST_CHECK;

/*
 * Comes back after a drop: says what happened (a clause about the connection) and how many bytes are missing, waits,
 * dials and logs in. STATUS_UNREACHABLE: given up after the retry time.
 */
enum status reach_again(struct reach *, const char *what, uint64_t missing, struct channel *) MUST_CHECK;

/* To be told when a byte came back: the waits begin anew. */
void reach_progress(struct reach *);

#endif
