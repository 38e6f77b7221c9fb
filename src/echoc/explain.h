/* What a login's outcome means: an exit status, whether to come back, and one sentence for a person. */
#ifndef ECHOC_EXPLAIN_H
#define ECHOC_EXPLAIN_H

#include "login.h"
#include "status.h"

enum trouble_kind {
	TROUBLE_FINAL,   /* never tried again */
	TROUBLE_REACH,   /* no connection, or it ended: tried again after a drop, or with --wait */
	TROUBLE_SILENT,  /* no greeting: final at first, but after a drop the server may just be slow to return */
	TROUBLE_BUSY,    /* 421 or 451: always tried again */
	TROUBLE_AT_ONCE, /* the login deadline passed while a person typed: nothing is wrong */
};

struct trouble {
	enum trouble_kind kind;
	enum status status;
	char sentence[LOGIN_TEXT_MAX + 1536]; /* without its full stop */
	const char *advice; /* what to do when it is not tried again; NULL where the sentence says it */
};

/* For every outcome but LOGIN_FINE. where and user are fit to show. */
void explain_login(const char *where, const char *user, enum login_outcome, const struct login_report *,
                   struct trouble *);

/* For a failed dial; why as dial gives it, after_s since the phase that failed began. */
void explain_dial(const char *where, const char *why, double after_s, struct trouble *);

/* The sentence with its advice, without its full stop, into text of cap bytes. */
void explain_whole(const struct trouble *, char *text, size_t cap);

/* For a path that leaves this machine. */
void explain_cleartext(const char *where, struct trouble *);

/* For a handshake that failed with err, a negative errno of the channel. bare is the address without its tls. */
void explain_handshake(const char *where, const char *bare, const struct channel *, int err, struct trouble *);

/* For what is never tried again, in one's own words. */
void explain_final(struct trouble *, enum status, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
