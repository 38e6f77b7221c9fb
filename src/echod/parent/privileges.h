/*
 * Whom the server is. Started by root, it is told (--user, --allow-root); what needs root is opened first, then the
 * process becomes that user and keeps one capability, to read its key again when it is told to reload.
 */
#ifndef PARENT_PRIVILEGES_H
#define PARENT_PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

#include "must.h"

struct privileges {
	const char *user; /* whom to become; NULL: it stays who it is */
	uid_t uid;        /* (uid_t)-1 and (gid_t)-1 without a user, which fchown(2) takes for no change */
	gid_t gid;
};

/*
 * Chooses by the command line: user is --user's value or NULL. Ends the process with status 2 where root has said
 * neither, where the user is not known or is root, and where somebody else is to become a user.
 */
void privileges_choose(struct privileges *, const char *user, bool allow_root);
/*
 * Becomes the user, for good: all threads lose every capability, but for this one's right to CAP_DAC_READ_SEARCH, which
 * is not in effect; what is executed from now on gets none (empty bounding set). With and without a user no program
 * can give privileges any more (no_new_privs). Returns 0 or a negative errno.
 */
int privileges_drop(const struct privileges *) MUST_CHECK;
/* While on, this thread reads files that only root may read, if the server was started by root. */
void privileges_read_all(bool on);

#endif
