/* echoctl user …: the accounts. */
#ifndef ECHOCTL_USER_H
#define ECHOCTL_USER_H

#include "options.h"

/* Runs the command in the words behind `user`. Returns the exit status, all being reported. */
int user_run(const struct options *);
/* Ends the tokens of the account with this normalised name, without a server. Returns the exit status, reported. */
int user_revoke(const struct options *, const char *name);

#endif
