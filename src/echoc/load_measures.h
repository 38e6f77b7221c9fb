/* What a thread of a load counts and times. One thread writes; it hands copies on. */
#ifndef ECHOC_LOAD_MEASURES_H
#define ECHOC_LOAD_MEASURES_H

#include <stdint.h>

#include "histogram.h"
#include "words.h"

/* What can go wrong with a connection, and what it is called in the result: the key in JSON, and for a person,
 * translated. */
#define LOAD_ERRORS(X)                                                                                                 \
	X(CONNECT, N_("connect"))   /* could not be opened */                                                          \
	X(TLS, N_("tls"))           /* the handshake failed, or the server is another one; or what came was changed */ \
	X(LOGIN, N_("login"))       /* the server refused the name or the password */                                  \
	X(BUSY, N_("busy"))         /* 421 or 451 */                                                                   \
	X(PROTOCOL, N_("protocol")) /* something else was said than the login's dialogue has */                        \
	X(ENDED, N_("ended"))       /* the server ended the connection */                                              \
	X(RESET, N_("reset"))       /* or it broke */                                                                  \
	X(TIMEOUT, N_("timeout"))   /* connecting, logging in or ending took too long */

#define X(name, text) LOAD_ERROR_##name,
enum load_error { LOAD_ERRORS(X) LOAD_ERROR_COUNT };
#undef X

extern const char *const load_error_names[LOAD_ERROR_COUNT];

struct load_counters {
	/* since the start */
	uint64_t messages_sent, messages_received, bytes_sent, bytes_received;
	uint64_t connections;     /* set up */
	uint64_t bytes_damaged;   /* other than they were sent, or never sent at all */
	uint64_t bytes_missing;   /* sent and not come back */
	uint64_t messages_lost;   /* the same in messages */
	uint64_t messages_unsent; /* due, of which nothing was sent */
	uint64_t errors[LOAD_ERROR_COUNT];
	/* in the measured window */
	uint64_t window_messages, window_bytes_sent, window_bytes_received, window_connections;
	uint64_t window_sends; /* that were due in it; open loop only, as the next two */
	uint64_t late;         /* of these, more than a millisecond after they were due */
	uint64_t late_own;     /* of these, where the connection could have taken it: the generator was late */
};

struct load_measures {
	struct load_counters counters;
	struct histogram service;  /* from the sending of what was sent, or due, in the window */
	struct histogram response; /* from when it was due; open loop only */
	struct histogram set_up;   /* of connections, to the end of the login */
};

void load_measures_init(struct load_measures *);
void load_measures_merge(struct load_measures *into, const struct load_measures *from);
uint64_t load_counters_errors(const struct load_counters *);

#endif
