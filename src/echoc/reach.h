/*
 * Reaching the server: dial, TLS, log in, the first time and after every drop, with the waits between the tries. It
 * tells a person what happens, one sentence each, on stderr.
 */
#ifndef ECHOC_REACH_H
#define ECHOC_REACH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "address.h"
#include "backoff.h"
#include "channel.h"
#include "explain.h"
#include "identity.h"
#include "must.h"
#include "options.h"
#include "phase.h"
#include "secret.h"
#include "status.h"
#include "tokens.h"

#define REACH_WHY_MAX  4096
#define REACH_SEEN_MAX 128

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
	bool may_ask;             /* for a password */
	bool left;                /* the person did not want to type a password */
	bool registered, resumed; /* the last login created the account, or was let in with a token */
	bool wants_password;      /* the last try failed because there is none, and may_ask was not set */
	bool traced;              /* connections that are made show what is said on them, */
	FILE *out;                /* here, as is the loud stop about a key: standard error, unless a thread keeps it */
	bool for_idling;    /* set before reach_first: asks the server for no keepalive, and for its own idle limit */
	bool keepalive_off; /* it does so, on the last connection */
	uint64_t idle_limit_s;        /* as the server told; 0: none, or unknown where keepalive_off is not set */
	char seen_as[REACH_SEEN_MAX]; /* the address that the server sees, as it told; empty: it did not */
	struct phases phases;         /* of the last connection that was made */
	enum phase phase;             /* that the last try has come to, */
	uint64_t phase_began_ns;
	double phase_s;          /* and how long it took, where it failed there */
	char why[REACH_WHY_MAX]; /* the sentence about the last failure that was not tried again, without its full stop
	                          */
	unsigned refusals;
	uint64_t connected_ms;           /* when the present connection was there */
	uint64_t trouble_ms;             /* since when there is no progress; 0 when there is */
	uint64_t dropped_ms, give_up_ms; /* of the coming back: since when, and until when it is tried */
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
 * Comes back after a drop: says what happened (exchange_describe_end) and how many bytes are missing, waits,
 * dials and logs in. STATUS_UNREACHABLE: given up after the retry time.
 */
enum status reach_again(struct reach *, const char *what, uint64_t missing, struct channel *) MUST_CHECK;

/*
 * The same in steps, for who has other things to do meanwhile. reach_drop says what happened and returns how long, in
 * ms, to wait for the first try (reach_try). reach_fail says why a try failed, and returns STATUS_FINE with the next
 * wait, or what to end with. reach_back says that it is done.
 */
uint64_t reach_drop(struct reach *, const char *what, uint64_t missing);
enum status reach_fail(struct reach *, const struct trouble *, uint64_t *wait_ms) MUST_CHECK;
void reach_back(const struct reach *);

/*
 * One try to come back, or for one more connection, until until_ms (a second is always given to a connection), without
 * a wait and without a word; asks only where may_ask says so. Returns whether there is a connection; else trouble says
 * why not, and phase how far it came.
 */
bool reach_try(struct reach *, uint64_t until_ms, struct channel *, struct trouble *trouble) MUST_CHECK;

/* Where JSON was asked for, writes what reach_first or reach_again ended with, as an object (failure.h). */
void reach_failed_json(const struct reach *, enum status);

/* To be told when a byte came back: the waits begin anew. */
void reach_progress(struct reach *);

#endif
