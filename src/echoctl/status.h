/* echoctl status: what a running server says of itself over its control socket. */
#ifndef ECHOCTL_STATUS_H
#define ECHOCTL_STATUS_H

#include "options.h"

/* Asks the newest server that answers in the state directory. Returns the exit status, all being reported. */
int status_run(const struct options *);

#endif
