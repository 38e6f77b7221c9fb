/* echoctl status, drain, reload, revoke, penalties: what is asked of a running server. */
#ifndef ECHOCTL_RUNNING_H
#define ECHOCTL_RUNNING_H

#include <stdbool.h>

#include "options.h"

/* Whether the first word is one of these commands. */
bool running_is_meant(const struct options *);
/* Asks the newest server that answers in the state directory. Returns the exit status, all being reported. */
int running_run(const struct options *);

#endif
