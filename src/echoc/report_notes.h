/* Sentences that have been said, kept for the page and for the JSON. */
#ifndef ECHOC_REPORT_NOTES_H
#define ECHOC_REPORT_NOTES_H

#include <stddef.h>

#include "must.h"

#define REPORT_NOTES_MAX 64 /* more of them nobody reads: what comes after is said, and not kept */

struct report_notes {
	char *text[REPORT_NOTES_MAX];
	size_t count;
};

/* One whole sentence. Where memory is out it is lost. */
void report_notes_add(struct report_notes *, const char *fmt, ...) PRINTF_LIKE(2, 3);
void report_notes_fini(struct report_notes *);

#endif
