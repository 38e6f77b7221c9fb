/*
 * The last stage, and the only way out: every connection ends through one of these calls, which take the reason. Each
 * may free the connection before it returns. Here is the one log line, and the one counter, of a connection's end.
 */
#ifndef FRONT_CLOSING_H
#define FRONT_CLOSING_H

#include <stddef.h>

#include "connection.h"

#define CLOSING_DRAIN_REPLY "421 The server is going down: try again later\r\n"

/* The client has sent its FIN and nothing is held: FIN, and the descriptor stays until the client has all of its bytes.
 */
void closing_finish(struct connection *, enum close_reason);

/*
 * The server ends it: text (NUL-ended, or of len bytes; may be empty), then FIN; input is drained for a while, so that
 * what was said is not lost to a reset. Where bytes are held for the client it is reset instead.
 */
void closing_refuse(struct connection *, enum close_reason, const char *text);
void closing_say(struct connection *, enum close_reason, const char *text, size_t len);

/*
 * The same at once, without lingering: for whom there is no room even for that. What was said may be lost to a reset
 * where the client goes on sending.
 */
void closing_turn_away(struct connection *, enum close_reason, const char *text);

/* Ends it at once by a reset, so that a client never takes lost bytes for an end. */
void closing_reset(struct connection *, enum close_reason);

/* The same after an error (a negative errno), which gives the reason. */
void closing_broken(struct connection *, int err);

/* The server goes: a connection in this stage that only waits for its client to read the last words waits less. */
void closing_hurry(struct connection *);

#endif
