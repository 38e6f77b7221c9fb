/* Standard input through the server to standard output. */
#ifndef ECHOC_PIPE_H
#define ECHOC_PIPE_H

#include "reach.h"

/* Runs to the end, and returns the exit status. What went wrong has been said. */
enum status pipe_run(struct reach *);

#endif
