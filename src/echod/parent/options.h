/* echod's command line. */
#ifndef PARENT_OPTIONS_H
#define PARENT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "address.h"
#include "log.h"
#include "network.h"
#include "orders.h"
#include "privileges.h"

enum registration { REGISTER_BY_REACH, REGISTER_OPEN, REGISTER_CLOSED };

struct options {
	struct address listen[ORDER_LISTENERS_MAX];
	uint32_t listeners;
	struct network_list proxy_from[ORDER_LISTENERS_MAX]; /* by listener: relays that it serves */
	struct network_list proxy_from_all;                  /* given before the first listener: every one's */
	bool next_port, strict_port, allow_cleartext, limit_local;
	const char *port_file;  /* NULL: none */
	const char *cert, *key; /* both or neither */
	char *state;            /* the state directory; owned */
	char *accounts;         /* for store_open; owned */
	enum registration registration;
	const char *log; /* NULL: stderr */
	enum log_level log_level;
	uint32_t address_connections, address_rate; /* 0: no limit */
	uint32_t login_slots;
	uint32_t unread_mib; /* 0: no limit */
	uint32_t workers, max_connections, keepalive_s, hash_kib, hash_passes;
	uint64_t login_ms, idle_ms, login_idle_ms, stall_ms, drain_ms;
	uint32_t address_failures, account_failures;
	uint64_t failure_delay_ms;
	uint64_t busy_poll_us, token_life_ms;
	uint32_t max_accounts, address_accounts; /* 0: no limit */
	bool idle_given;                         /* else a listener on loopback has no idle limit */
	mode_t socket_mode;
	struct privileges privileges;
};

/* Parses the command line, asks where --ask says so, and checks all; ends the process on --help or bad usage. */
void options_parse(struct options *, int argc, char **argv);
void options_free(struct options *);

#endif
