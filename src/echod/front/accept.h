/* The first stage: listeners are accepted from by the main thread and handed to the workers in turn. */
#ifndef FRONT_ACCEPT_H
#define FRONT_ACCEPT_H

#include "loop.h"
#include "worker.h"

struct acceptor;

/* Watches the front's listeners on loop. workers are those of front->config. Returns 0 or a negative errno. */
int accept_start(struct acceptor **, struct loop *, struct front *, struct worker *workers) MUST_CHECK;
/* Closes the listeners: nobody else comes. */
void accept_stop(struct acceptor *);
void accept_destroy(struct acceptor *);

/* On the worker's thread: a client has come, and goes on to login or echo, or is refused. */
void accept_arrived(struct worker *, const struct arrival *);

#endif
