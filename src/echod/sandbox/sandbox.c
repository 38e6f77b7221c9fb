#include "sandbox.h"

#include <errno.h>
#include <sys/resource.h>

#include "calls.h"
#include "landlock.h"
#include "program.h"
#include "reports.h"

int sandbox_close_files(const char *folder)
{
	reports_keep_open();
	return landlock_restrict(folder);
}

/* All threads run, so no more are needed. */
static int start_no_more(void)
{
	const struct rlimit none = {0, 0};

	return setrlimit(RLIMIT_NPROC, &none) < 0 ? -errno : 0;
}

static void warn(struct log *log, int files, int calls)
{
	const char *missing = !files   ? "seccomp: any system call may be made"
	                      : !calls ? "Landlock: any file of its user may be opened"
	                               : "neither Landlock nor seccomp: there are no walls";

	log_event(log, LOG_WARNING, "no_sandbox", "this kernel lacks %s", missing);
}

int sandbox_close(enum sandbox_role role, int files, struct log *log)
{
	program_keep_secrets();
	int err = start_no_more();
	int calls = err ? err : calls_restrict(role);

	if (files == -EOPNOTSUPP || calls == -EOPNOTSUPP)
		warn(log, files, calls);
	if (files && files != -EOPNOTSUPP)
		return files;
	if (calls && calls != -EOPNOTSUPP)
		return calls;
	return (files ? 0 : SANDBOX_FILES) | (calls ? 0 : SANDBOX_CALLS);
}
