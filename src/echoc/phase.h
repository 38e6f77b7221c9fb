/* The parts of reaching a server, in their order, and how long each took. */
#ifndef ECHOC_PHASE_H
#define ECHOC_PHASE_H

#include <stdbool.h>
#include <stdint.h>

enum phase {
	PHASE_LOOKUP, /* of the name */
	PHASE_TCP,    /* the connection: all addresses that were tried */
	PHASE_TLS,    /* the handshake */
	PHASE_LOGIN,  /* from the connection, or the handshake, to the 230; with the typing of a password, where one was
	               */
	PHASE_ECHO,   /* the first round trip, which whoever uses the connection times */
	PHASES,
};

extern const char *const phase_keys[PHASES]; /* for JSON: lookup, tcp, tls, login, echo */

struct phases {
	bool known[PHASES];
	uint64_t ns[PHASES];
};

#endif
