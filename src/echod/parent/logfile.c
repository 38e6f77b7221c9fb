#include "logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "family.h"
#include "file.h"
#include "program.h"
#include "words.h"

const char *logfile_name(const struct run *run)
{
	return run->options.log ? run->options.log : _("standard error");
}

int logfile_open(struct run *run)
{
	run->log_fd = run->options.log ? file_open_log(run->options.log, &run->options.privileges) : STDERR_FILENO;
	int err =
	    run->log_fd < 0 ? run->log_fd : log_open(&run->log, STDERR_FILENO, run->options.log_level, &run->log_lost);
	if (!err && run->options.log) { /* the log has a descriptor of its own; ours is for the children */
		int own = fcntl(run->log_fd, F_DUPFD_CLOEXEC, 0);
		if (own >= 0)
			log_reopen(run->log, own);
		else
			err = -errno;
	}
	if (!err)
		return 0;
	program_say("echod", _("cannot open the log %s: %s; give another file with --log."), logfile_name(run),
	            words_error(-err));
	return run->status = RUN_FAILED;
}

int logfile_reopen(struct run *run)
{
	if (!run->options.log)
		return 0;
	int fd = file_open_log(run->options.log, &run->options.privileges);
	int own = fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0) {
		if (fd >= 0)
			close(fd);
		log_event(run->log, LOG_ERROR, "log_reopen", "cannot reopen %s: %s; the old file is written on",
		          run->options.log, strerror(-own));
		return own;
	}
	close(run->log_fd);
	run->log_fd = fd;
	log_reopen(run->log, own);
	family_send_log(run);
	log_event(run->log, LOG_INFO, "log_reopen", "reopened %s", run->options.log);
	return 0;
}
