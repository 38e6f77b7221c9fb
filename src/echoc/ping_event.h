/* What a ping sees, as it happens: told by the path, counted, shown and written as JSON by others. */
#ifndef ECHOC_PING_EVENT_H
#define ECHOC_PING_EVENT_H

#include <stdbool.h>
#include <stdint.h>

/* A probe on its way. */
struct ping_probe {
	uint64_t seq;         /* from 1; that of its place in the schedule, so what was not sent leaves a gap */
	uint64_t end;         /* offset in the stream, behind its last byte */
	uint64_t sent_ns;     /* just before it was sent for the first time */
	int64_t sent_us;      /* the same, wall clock */
	uint64_t late_own_ns; /* how long after it was due, by our own fault */
	bool resent;          /* sent again on another connection, the rest of it at least */
};

/* With what is set of the other members. */
enum ping_event_kind {
	PING_SENT,          /* probe */
	PING_ECHOED,        /* probe; length: from its sending to its last byte */
	PING_DAMAGED,       /* text; probe, but for bytes that nothing was sent for; offset in the stream */
	PING_LOST,          /* probe: given up at the end */
	PING_CUT_OFF,       /* probe: the run was ended before its answer was late */
	PING_NOT_SENT,      /* probe, with the times when it was due: there was no connection, or no room; count 1 */
	PING_STALL,         /* probe, which is the first unanswered; length: since when nothing came */
	PING_STALL_END,     /* length of the stall */
	PING_DROP,          /* text, a clause that names the address; bytes missing; began */
	PING_REDIAL_FAILED, /* text, a sentence without its full stop; length of the outage so far */
	PING_BACK,          /* length of the outage; count of probes not sent meanwhile; began */
	PING_REGISTERED,    /* text, the account's name: it was created anew on the way back */
	PING_RENEWED,       /* length: from the damage to the new connection */
	PING_HELD_UP,       /* length: so long this program did not run; count of probes not sent for it */
};

struct ping_event {
	enum ping_event_kind kind;
	uint64_t at_ns; /* of the monotonic clock */
	const struct ping_probe *probe;
	uint64_t length_ns, began_ns, bytes, count, offset;
	const char *text; /* fit to show */
	bool late;        /* PING_ECHOED */
};

/* Who wants to know. The event and what it points to are the teller's, for the time of the call. */
struct ping_listener {
	void (*tell)(void *who, const struct ping_event *);
	void *who;
};

#endif
