#include "ready.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "file.h"

static void compose(const struct run *run, char *line, size_t cap)
{
	size_t len = 0;

	for (uint32_t i = 0; i < run->listeners; i++)
		len +=
		    (size_t)snprintf(line + len, cap - len, "%s%s", i ? "," : "ready listen=", run->listener[i].text);
	snprintf(line + len, cap - len, " pid=%ld\n", (long)getpid());
}

static int write_port_file(struct run *run)
{
	char ports[ORDER_LISTENERS_MAX * 8] = "";
	size_t len = 0;

	for (uint32_t i = 0; i < run->listeners; i++) {
		if (!run->listener[i].address.is_unix)
			len += (size_t)snprintf(ports + len, sizeof(ports) - len, "%u\n", run->listener[i].port);
	}
	int err = file_write_by_rename(AT_FDCWD, run->options.port_file, ports);
	run->wrote_port_file = !err;
	return err;
}

int ready_tell(struct run *run)
{
	char line[ORDER_LISTENERS_MAX * ADDRESS_TEXT_MAX + 64];

	compose(run, line, sizeof(line));
	int err = control_publish(&run->control, line);
	if (err)
		log_event(run->log, LOG_WARNING, "ready_file", "cannot write the ready file in %s/run: %s",
		          run->options.state, strerrordesc_np(-err));
	err = run->options.port_file ? write_port_file(run) : 0;
	if (err)
		return err;
	fputs(line, stdout);
	fflush(stdout);
	return 0;
}

void ready_take_back(struct run *run)
{
	if (run->wrote_port_file)
		unlink(run->options.port_file);
	run->wrote_port_file = false;
}
