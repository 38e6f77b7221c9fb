/* A run of ping or load, as it was read from a file: what it told of itself, its times, and what interrupted it. */
#ifndef ECHOC_REPORT_RUN_H
#define ECHOC_REPORT_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "histogram.h"
#include "must.h"
#include "report_notes.h"
#include "report_series.h"

#define REPORT_RUNS_MAX     32   /* in one report: more of them cannot be told apart */
#define REPORT_MARKS_MAX    4096 /* of a run */
#define REPORT_MARKS_LISTED 20   /* in all, as words: the charts and the JSON have the others, too */
#define REPORT_OPTIONS_MAX  64   /* of a run; no mode has half as many */

struct json_t; /* jansson's: its header and base's json.h call different things by the same names */

enum report_kind { REPORT_PING, REPORT_LOAD };

enum report_mark_kind {
	REPORT_OUTAGE,  /* no connection */
	REPORT_STALL,   /* nothing came back */
	REPORT_DAMAGE,  /* other bytes came back than were sent */
	REPORT_HELD_UP, /* the program that measured did not run */
	REPORT_WARM_UP, /* traffic that does not count */
};

/* A stretch of the run's time. */
struct report_mark {
	enum report_mark_kind kind;
	double begin_s, end_s;
	bool goes_on; /* its end was not told: end_s is the end of what there is */
};

/* What has been counted while reading, for where the result is missing. */
struct report_seen {
	uint64_t sent, not_sent, echoed, lost, late, damaged, resent, reconnects; /* of ping */
	uint64_t last_ns, jitter_sum_ns; /* the last round trip, and what each differs from the one before it */
	uint64_t messages, errors, damaged_bytes; /* of load: in the window, and since the start */
	double window_s;
};

enum report_option_kind { REPORT_NOTHING, REPORT_TEXT_OPTION, REPORT_NUMBER_OPTION, REPORT_BOOL_OPTION };

/* What a run was started with, as it stands in the file. */
struct report_option {
	const char *name;
	enum report_option_kind kind;
	const char *text; /* of REPORT_TEXT_OPTION; the next two likewise */
	double number;
	bool yes;
};

struct run {
	const char *file; /* as given; with line where its first object stands */
	uint64_t line;
	enum report_kind kind;
	unsigned schema;       /* its number; 1 is the one that is known */
	struct json_t *start;  /* the object of that type; NULL: none came */
	struct json_t *result; /* NULL: none came */
	struct json_t *error;  /* what it ended with instead of a result; NULL: it did not */
	struct json_t *guess;  /* made from what there is, where the result is missing: the same keys as a result's */
	struct report_notes notes;
	struct report_seen seen;
	struct histogram times;     /* round trips; of load, the response times in open loop, else the service times */
	struct report_series trips; /* of ping: each probe. Of load: each interval's median */
	struct report_series tails; /* of load: each interval's p99 */
	struct report_mark marks[REPORT_MARKS_MAX];
	size_t mark_count;
	struct report_option options[REPORT_OPTIONS_MAX];
	size_t option_count;
};

/* NULL when memory is out. */
struct run *report_run_create(const char *file, uint64_t line, enum report_kind) MUST_CHECK;
void report_run_destroy(struct run *);

/* The key of the times that are drawn, in a result. */
const char *report_run_times(const struct run *);
/* Load's times are counted from when a message was due. */
bool report_run_is_open(const struct run *);
/* The value at a path of keys like `options.address` in the result, else in what there is of it; NULL: unknown. */
const struct json_t *report_run_find(const struct run *, const char *path);
/* The text there; NULL where there is none. */
const char *report_run_text(const struct run *, const char *path);
/* The number there; NAN where it is none or negative. */
double report_run_number(const struct run *, const char *path);

/* The end of what is known of the run's time. */
double report_run_end_s(const struct run *);
/* The same for a JSON value by itself. */
double report_number_of(const struct json_t *);

/* How many of its marks interrupted it. */
size_t report_run_interruptions(const struct run *);
/* Keeps a mark. Those that there is no room for are left out. */
void report_run_mark(struct run *, enum report_mark_kind, double begin_s, double end_s, bool goes_on);

#endif
