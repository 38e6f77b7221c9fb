/*
 * The control socket and the ready line, run/PID.sock and run/PID.ready in the state directory. One line in, one JSON
 * document out, then end. Only the server's own user and root may ask. It works at every limit: a few descriptors are
 * kept for it and for what a command opens, and of too many clients the one that has been silent longest gives way.
 */
#ifndef PARENT_CONTROL_H
#define PARENT_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "document.h"
#include "loop.h"
#include "wire.h"

#define CONTROL_CLIENTS  8
#define CONTROL_LINE_MAX (WIRE_NAME_BYTES_MAX + 64) /* a word and a name, with the line's end */
#define CONTROL_TIME_MS  5000                       /* for a client to say its line, and again to take the answer */
#define CONTROL_SPARES   4 /* one for a client; three that a command opens at once: folder, lock, file */

enum control_state { CONTROL_READING, CONTROL_WAITING, CONTROL_SENDING };

struct control_client {
	struct loop_source source; /* fd -1: free */
	struct control *control;
	struct deadline deadline; /* none while it waits: whoever answers has one */
	enum control_state state;
	uint64_t number; /* a newer client has a higher one */
	size_t len;
	char line[CONTROL_LINE_MAX];
	struct document answer;
	size_t sent;
};

struct control_plan {
	/* Obeys the command, NUL-ended, by control_answer at once or later; line is the client's and may be changed. */
	void (*command)(void *arg, struct control_client *, char *line);
	/* A client that waits for its answer has gone. */
	void (*gone)(void *arg, struct control_client *);
	void *arg;
};

struct control {
	struct loop *loop;
	struct deadline pause;     /* until clients are accepted again, after that failed */
	struct loop_source source; /* the listening socket, or -1 */
	int folder;                /* run/, or -1 */
	int spare[CONTROL_SPARES]; /* descriptors that are kept, each or -1 */
	struct control_plan plan;
	uint64_t numbers;
	struct control_client client[CONTROL_CLIENTS];
};

/* Opens the socket in state/run, making both folders 0700. Returns 0 or a negative errno. */
int control_open(struct control *, struct loop *, const char *state, const struct control_plan *) MUST_CHECK;
/* Writes run/PID.ready by rename. Returns 0 or a negative errno. */
int control_publish(struct control *, const char *ready_line) MUST_CHECK;
/* Sends the document, as far as the client takes it within CONTROL_TIME_MS, and ends. Frees its text. */
void control_answer(struct control_client *, struct document);
/* Removes both files and closes all. Harmless when control_open failed, or was not called on a zeroed struct. */
void control_close(struct control *);

#endif
