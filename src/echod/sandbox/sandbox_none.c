/* A build without walls (-Dsandbox=false), for checkers that open files when the process ends, and for debuggers. */
#include "sandbox.h"

#include <errno.h>

#include "program.h"

int sandbox_close_files(const char *folder)
{
	(void)folder;
	return -EOPNOTSUPP;
}

int sandbox_close(enum sandbox_role role, int files, struct log *log)
{
	(void)role;
	(void)files;
	program_keep_secrets();
	log_event(log, LOG_WARNING, "no_sandbox", "this build has no walls: it is for tests only");
	return 0;
}
