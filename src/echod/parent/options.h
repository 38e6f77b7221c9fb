/* echod's command line. */
#ifndef PARENT_OPTIONS_H
#define PARENT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "address.h"
#include "log.h"
#include "orders.h"

enum registration { REGISTER_BY_REACH, REGISTER_OPEN, REGISTER_CLOSED };

struct options {
	struct address listen[ORDER_LISTENERS_MAX];
	uint32_t listeners;
	bool next_port, strict_port, allow_cleartext;
	const char *port_file; /* NULL: none */
	char *state;           /* the state directory; owned */
	char *accounts;        /* for store_open; owned */
	enum registration registration;
	const char *log; /* NULL: stderr */
	enum log_level log_level;
	uint32_t workers, max_connections, keepalive_s, hash_kib, hash_passes;
	uint64_t login_ms, idle_ms, login_idle_ms, stall_ms, drain_ms;
	uint64_t busy_poll_us;
	bool idle_given; /* else a listener on loopback has no idle limit */
	mode_t socket_mode;
};

/* Parses the command line, asks where --ask says so, and checks all; ends the process on --help or bad usage. */
void options_parse(struct options *, int argc, char **argv);
void options_free(struct options *);

#endif
