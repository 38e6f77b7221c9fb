/*
 * The control socket and the ready line, run/PID.sock and run/PID.ready in the state directory. One line in, one JSON
 * document out, then end. Only the server's own user and root may ask.
 */
#ifndef PARENT_CONTROL_H
#define PARENT_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include "log.h"
#include "loop.h"

#define CONTROL_CLIENTS  8
#define CONTROL_LINE_MAX 128
#define CONTROL_TIME_MS  5000 /* for a client to say its line */

struct control_client {
	struct loop_source source; /* fd -1: free */
	struct control *control;
	struct deadline deadline;
	size_t len;
	char line[CONTROL_LINE_MAX];
};

struct control {
	struct loop *loop;
	struct deadline pause;     /* until clients are accepted again, after that failed */
	struct loop_source source; /* the listening socket, or -1 */
	int folder;                /* run/, or -1 */
	/* Answers the command, NUL-ended: a document of *len bytes that is freed here, or NULL for an unknown one. */
	char *(*answer)(void *arg, const char *command, size_t *len);
	void *arg;
	struct control_client client[CONTROL_CLIENTS];
};

/* Opens the socket in state/run, making both folders 0700. Returns 0 or a negative errno. */
int control_open(struct control *, struct loop *, const char *state, char *(*answer)(void *, const char *, size_t *),
                 void *arg) MUST_CHECK;
/* Writes run/PID.ready by rename. Returns 0 or a negative errno. */
int control_publish(struct control *, const char *ready_line) MUST_CHECK;
/* Removes both files and closes all. Harmless when control_open failed, or was not called on a zeroed struct. */
void control_close(struct control *);

#endif
