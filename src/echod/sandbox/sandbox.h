/*
 * The walls of front and keeper. Whoever takes one of them over by the bytes that he sends finds a process that opens
 * no file but the accounts' (and the front none at all), makes no socket, starts no program, looks into no other
 * process, and leaves no core. What is allowed stands by name in calls.c. The parent has no walls: it takes nothing
 * from strangers.
 */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include <stdatomic.h>
#include <stdint.h>

#include "log.h"
#include "must.h"

enum sandbox_role { SANDBOX_FRONT, SANDBOX_KEEPER };

/* What holds, as the counters tell it. */
#define SANDBOX_FILES 1 /* Landlock */
#define SANDBOX_CALLS 2 /* seccomp */

/*
 * Closes the file system to the process (Landlock) but for the files directly or deeper in folder, which may be read,
 * written, made and removed, and not executed; NULL is no folder. Closes TCP's bind and connect, too, where the kernel
 * can. It binds this thread and those that it starts, so it is called while there is one. Returns 0, -EOPNOTSUPP where
 * this kernel or this build cannot do it, or another negative errno.
 */
int sandbox_close_files(const char *folder) MUST_CHECK;
/*
 * Called when all is open and all threads run, and files is what sandbox_close_files returned: allows all threads the
 * role's system calls and no others (seccomp), makes the process undumpable, and leaves it no core and no child. A call
 * that is not on the list fails with EPERM; one that none of ours ever makes ends the process (SIGSYS). What this
 * kernel or build lacks is one warning in the log. Returns what holds, SANDBOX_FILES | SANDBOX_CALLS at best, or a
 * negative errno when a wall could not be built that could have been: then the process should not serve.
 */
int sandbox_close(enum sandbox_role, int files, struct log *) MUST_CHECK;

#endif
