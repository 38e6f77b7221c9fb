#include "reload.h"

#include <string.h>

#include "logfile.h"

struct document reload_all(struct run *run)
{
	int err = logfile_reopen(run);

	if (err)
		return document_error(DOCUMENT_FAILED, "Cannot open the log %s anew: %s; the old file is written on.",
		                      logfile_name(run), strerror(-err));
	return document_print("{\"reloaded\": [%s]}", run->options.log ? "\"log\"" : "");
}
