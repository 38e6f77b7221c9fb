/* `echoc ping`: a probe each interval over one connection, every byte compared, and what happened to the path. */
#ifndef ECHOC_PING_H
#define ECHOC_PING_H

#include "must.h"
#include "reach.h"
#include "status.h"

/*
 * Reaches the server as reach_first does, probes as reach->options->ping says, and prints what it sees and a summary;
 * where the connection is lost, it is made again until the run ends. SIGINT and SIGTERM end it with the summary, a
 * second one at once; SIGQUIT and Enter show the summary so far.
 */
enum status ping_run(struct reach *) MUST_CHECK;

#endif
