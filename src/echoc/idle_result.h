/* What `echoc idle` has found out, as it is printed. */
#ifndef ECHOC_IDLE_RESULT_H
#define ECHOC_IDLE_RESULT_H

#include <stdbool.h>
#include <stdint.h>

#include "idle_options.h"
#include "idle_search.h"
#include "status.h"

/* What a reader of the result has to know besides. */
enum idle_note {
	IDLE_NOTE_NOT_DONE,          /* it ended before its time: what is known may be a moment's interruption */
	IDLE_NOTE_SERVER_CUT,        /* it was the server's own limit */
	IDLE_NOTE_SERVER_LIMIT,      /* which is below --max: nothing longer can be seen */
	IDLE_NOTE_LIMIT_UNKNOWN,     /* the server does not tell whether it has one */
	IDLE_NOTE_KEEPALIVE_UNKNOWN, /* nor whether it sends keepalives */
	IDLE_NOTE_NOT_ALWAYS,        /* longer than the cut was survived, too */
	IDLE_NOTE_FEWER_CONNECTIONS, /* than were wanted */
	IDLE_NOTES,
};

extern const char *const idle_note_keys[IDLE_NOTES]; /* for JSON */
extern const char *const idle_outcome_keys[];        /* for JSON: survived, cut_fin, cut_reset, cut_silent */

struct idle_result {
	const struct idle_options *options;
	const struct idle_search *search;
	const char *where;
	int64_t started_us;
	uint64_t estimate_ms; /* the worst case, as seen before */
	uint64_t took_ms;
	bool keepalive_off;      /* the server's */
	uint64_t server_limit_s; /* of idling, where keepalive_off is set; 0: none */
	size_t connections;      /* that could be had at once */
	bool interrupted;
	const char
	    *trouble; /* why it ended before its time, as a sentence without its full stop; NULL where it did not */
	enum status status;
};

/* Whether the note is to be given. */
bool idle_result_notes(const struct idle_result *, enum idle_note);

#endif
