/*
 * The search for the idle time after which connections are cut: which times to try next, and what is known. No socket
 * and no clock: whoever lets connections idle tells what became of them.
 *
 *     longest time below it that was survived < the cut <= shortest time that was cut
 *
 * Times are tried in rounds, several at once. The first round spreads them geometrically between least and most; each
 * later one evenly within the bracket that the one before has left, and once more just above the cut: what was cut once
 * may have been a moment's interruption, and what is cut twice at the same time is a limit.
 */
#ifndef ECHOC_IDLE_SEARCH_H
#define ECHOC_IDLE_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "must.h"

#define IDLE_CONNECTIONS_MAX 64
#define IDLE_FOUND_MAX       1024 /* then it ends: even one connection at a time finds a year's millisecond in 40 */

enum idle_outcome { IDLE_SURVIVED, IDLE_CUT_FIN, IDLE_CUT_RESET, IDLE_CUT_SILENT };

struct idle_finding {
	uint64_t idle_ms; /* how long it was idle */
	enum idle_outcome outcome;
	bool exact;     /* the cut was seen while it idled and came at that time; else at some time before */
	unsigned round; /* from 1; idle_search_add sets it */
};

struct idle_search {
	uint64_t min_ms, max_ms, resolution_ms;
	unsigned round;
	size_t count;
	struct idle_finding found[IDLE_FOUND_MAX];
};

/* 0 < min_ms < max_ms, resolution_ms >= 8. */
void idle_search_init(struct idle_search *, uint64_t min_ms, uint64_t max_ms, uint64_t resolution_ms);

/* Begins a round with at most so many connections (> 0). Returns how many times are to be tried; they ascend. */
size_t idle_search_next(struct idle_search *, size_t connections, uint64_t times_ms[IDLE_CONNECTIONS_MAX]);
void idle_search_add(struct idle_search *, const struct idle_finding *);
/* Whether a connection of this round that is to idle so long is worth waiting for, as things stand. */
bool idle_search_wants(const struct idle_search *, uint64_t idle_ms);
bool idle_search_is_done(const struct idle_search *);

/* The longest time below the cut that was survived; 0: none. */
uint64_t idle_search_lower_ms(const struct idle_search *);
/* The shortest cut; NULL: none. */
const struct idle_finding *idle_search_cut(const struct idle_search *);
/* The longest time above the cut, by the resolution or more, that was survived all the same; 0: none. */
uint64_t idle_search_beyond_ms(const struct idle_search *);

/* How long an echo is awaited on a connection that has idled so long: where it is cut none will come. */
uint64_t idle_search_answer_ms(uint64_t idle_ms);
/* How long all rounds from the next one on may take, with so many connections at once: the worst case. */
uint64_t idle_search_rest_ms(const struct idle_search *, size_t connections);

#endif
