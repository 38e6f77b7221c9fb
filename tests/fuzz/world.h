/*
 * A whole front with one worker over transport.h, and up to WORLD_CLIENTS clients of it. It is made once; a session
 * begins and ends with no connection, no gauge and no block of memory.
 */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include "client.h"
#include "connection.h"

#define WORLD_CLIENTS 6

enum world_listener {
	LISTENER_LOGIN,
	LISTENER_RAW,
	LISTENER_TLS,
	LISTENER_RAW_TLS,
	LISTENER_RELAYED,
	LISTENER_RAW_RELAYED,
	LISTENER_TLS_RELAYED,
	LISTENER_UNIX,
	LISTENER_RAW_UNIX,
	LISTENER_COUNT
};

struct world_options {
	bool allow_cleartext, limit_local, limits_unread, has_keeper;
};

void world_begin(struct world_options);
/* Checks that nothing is left, once every connection is gone. */
void world_end(void);

struct client *world_client(unsigned number);
/* A client comes to the listener, from the from'th place. NULL: there are enough. A header is a relay's. */
struct client *world_connect(enum world_listener, unsigned from, const void *header, size_t header_len);
/* The front's connection of the client; NULL: none. */
struct connection *world_connection(const struct client *);
/* Connections that the worker has. */
unsigned world_connections(void);

/* A turn of each loop, with the ready descriptors that are in mask. Returns how many were ready. */
unsigned world_turn(uint32_t mask);
/* So much time passes, with the turns that deadlines bring. */
void world_pass_ms(uint64_t ms);
/* Turns, and clients that take all they get, until nothing moves. Returns whether it came to that. */
bool world_settle(void);

/* The call fails once. */
void world_fail(enum transport_call, int err);
void world_drain(void);
void world_new_link(void);
/* Whether the worker has one, and how many questions wait for it to take them. */
bool world_has_link(void);
unsigned world_unsent(void);
void world_new_certificate(void);
bool world_is_draining(void);

/* For whoever asks how far it came: sums over all sessions. */
struct world_sums {
	uint64_t sessions, connections, logged_in, shaken, echoed, cut, whole;
};
const struct world_sums *world_sums(void);

#endif
