/* The running server, as the parent sees it. */
#ifndef PARENT_RUN_H
#define PARENT_RUN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "certificate.h"
#include "child.h"
#include "control.h"
#include "counters.h"
#include "listen.h"
#include "log.h"
#include "loop.h"
#include "options.h"
#include "question.h"

/* The exit status of the process, as echod(8) has it. */
enum run_status { RUN_DRAINED = 0, RUN_FAILED = 1, RUN_NOT_BINDABLE = 3 };

enum run_phase { RUN_STARTING, RUN_SERVING, RUN_DRAINING, RUN_ENDING };

struct run {
	struct options options;
	enum run_phase phase;
	enum run_status status;
	struct loop loop;
	struct log *log;
	int log_fd;
	_Atomic uint64_t log_lost;
	struct counters *counters;
	int counters_fd;
	struct listener listener[ORDER_LISTENERS_MAX];
	uint32_t listeners;
	bool wrote_port_file;           /* it is ours to remove */
	bool has_started;               /* the log says so */
	bool has_keeper;                /* a login listener is configured */
	bool store_seen;                /* the keeper has been ready once: it creates no store any more */
	struct certificate certificate; /* of the TLS listeners; fd -1 where there are none */
	struct deadline renewal;        /* of the certificate, where it is our own */
	struct child front, keeper;
	struct control control;
	struct questions questions; /* of control clients to the keeper */
	struct loop_source signals;
	struct deadline patience; /* for a child to drain or to end */
	int64_t started_us;
};

/* Serves until told to end. Returns the exit status. */
int run_server(struct run *);
/* Says a failure to a person, and to the log where that is another place. Sets the exit status. */
void run_fail(struct run *, enum run_status, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
