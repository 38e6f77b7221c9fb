/* A running server, found by its control socket in the state directory and asked over it. */
#ifndef ECHOCTL_SERVER_H
#define ECHOCTL_SERVER_H

#include <sys/types.h>

#include "must.h"
#include "options.h"

/* Where the servers' control sockets are; the caller's to free. NULL when that cannot be known. */
char *server_folder(const struct options *) MUST_CHECK;
/* Connects to the newest server in the folder that accepts. Returns a descriptor or a negative errno. */
int server_dial(const char *folder) MUST_CHECK;
/*
 * Sends a line, with its end, and reads up to the stream's end, for 10 s at most. *answer is the caller's to free, and
 * has no NUL. Returns its length or a negative errno.
 */
ssize_t server_ask(int fd, const char *line, char **answer) MUST_CHECK;

#endif
