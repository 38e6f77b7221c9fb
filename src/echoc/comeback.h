/*
 * Coming back to the server while a person types: the waits of reach_again between tries that are made on a thread
 * (reach_thread.h), in steps. What is to be said is said from within comeback_begin, comeback_step and comeback_ask.
 */
#ifndef ECHOC_COMEBACK_H
#define ECHOC_COMEBACK_H

#include <stdbool.h>
#include <stdint.h>

#include "channel.h"
#include "must.h"
#include "reach.h"
#include "reach_thread.h"
#include "status.h"

enum comeback_result {
	COMEBACK_GOES_ON,
	COMEBACK_REACHED, /* the channel is the caller's */
	COMEBACK_ASKS,    /* a password has to be asked for: comeback_ask */
	COMEBACK_FAILED,  /* nothing is worth another try; status tells */
};

struct comeback {
	struct reach_thread dial;
	bool under_way;
	bool may_ask;
	bool traced;     /* as in reach, whose own belongs to the thread */
	uint64_t try_ms; /* when the next try is due, on the monotonic clock */
	enum status status;
};

/* From now on reach asks nobody by itself. Returns 0 or a negative errno. */
int comeback_init(struct comeback *, struct reach *) MUST_CHECK;
/* Not while a try is under way (comeback_is_trying). */
void comeback_fini(struct comeback *);

/* The connection ended: what and missing as in reach_again. */
void comeback_begin(struct comeback *, const char *what, uint64_t missing);
/* Lets the next try begin at once. */
void comeback_hurry(struct comeback *);

/* Whether a thread has reach just now. */
bool comeback_is_trying(const struct comeback *);
/* What to poll for POLLIN, -1: nothing; and until when (wait.h). */
int comeback_fd(const struct comeback *);
uint64_t comeback_due_ms(const struct comeback *);

/* What to do after that; something is said only where revents are there. */
enum comeback_result comeback_step(struct comeback *, short revents, struct channel *) MUST_CHECK;
/* One try that asks on the terminal, and waits for it. */
enum comeback_result comeback_ask(struct comeback *, struct channel *) MUST_CHECK;

#endif
