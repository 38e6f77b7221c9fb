/* A child process: started, spoken to over its order socket, seen to end, and started again. */
#ifndef PARENT_CHILD_H
#define PARENT_CHILD_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "deadline.h"
#include "loop.h"
#include "orders.h"

struct child {
	const char *program; /* echod-front, echod-keeper */
	char *path;          /* where it was found; owned */
	int program_fd;      /* it, opened; or -1 */
	pid_t pid;           /* 0: not running */
	int fd;              /* our end of its order socket, or -1 */
	DIR *descriptors;    /* its /proc/PID/fd, opened while we may: later it is undumpable. NULL: none */
	bool ready;          /* it said so */
	uint64_t started_ms, backoff_ms, restarts;
	struct loop_source source; /* watches fd */
	struct deadline restart;
};

/*
 * Finds and opens child->program, beside this program's own file, else in the compiled-in folder; never in PATH. Done
 * while the process may enter that folder, which the user that it becomes may not. Returns 0 or a negative errno.
 */
int child_find(struct child *) MUST_CHECK;
/*
 * Starts what was found, by its path or, where that cannot be reached any more, by the open file. Its standard input
 * and output are /dev/null. Returns 0 or a negative errno.
 */
int child_start(struct child *, uint64_t now_ms) MUST_CHECK;
/*
 * Sends an order with or without (-1) a descriptor, and never waits: a child that does not take it is killed, and
 * starts anew, for it would go on with what it has not heard. A child that is gone is seen by its end: no error is told
 * here.
 */
void child_order(struct child *, const struct order *, int pass_fd);
/* Gives back what child_find took. Harmless where it failed, or was not called. */
void child_forget(struct child *);
/* Closes our end, and its /proc/PID/fd: the child ends by itself. */
void child_hang_up(struct child *);
/* How long to wait before the next start: 0 after a long life, then 0.5 s doubling to 30 s. Counts the restart. */
uint64_t child_backoff_ms(struct child *, uint64_t now_ms);

#endif
