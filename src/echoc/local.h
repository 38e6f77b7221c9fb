/* Finding the servers of this machine by the ready files that they keep in their state directories. */
#ifndef ECHOC_LOCAL_H
#define ECHOC_LOCAL_H

#include <stdbool.h>
#include <sys/types.h>

#include "address.h"

struct local_server {
	pid_t pid;
	struct address address; /* its first login listener without TLS */
	char text[ADDRESS_TEXT_MAX];
};

/*
 * The newest live one whose ready file belongs to this user or to root, in this user's state directory or the system's.
 * Returns whether there is one.
 */
bool local_find(struct local_server *);

#endif
