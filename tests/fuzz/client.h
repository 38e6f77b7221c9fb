/*
 * A client of the front, plain or under TLS, over a wire of transport.h. It knows what it has sent, and judges each
 * byte that comes: replies first, as many as lines, then the echo of what stands behind the line that was answered 230,
 * and nothing else.
 */
#ifndef FUZZ_CLIENT_H
#define FUZZ_CLIENT_H

#include "tls.h"
#include "transport.h"

#define CLIENT_PLAIN_MAX (768 * 1024)
#define CLIENT_LINE_MAX  1400

/* Stand in passwords and in tokens, and nowhere else. */
#define CLIENT_SECRET "s3cr3t"
#define CLIENT_TOKEN  "T0k3n"

struct client {
	bool is_used, is_raw, is_relayed;
	struct tls *session;        /* NULL: plain */
	bool shaken, tls_broken;    /* the handshake is done; the session has failed */
	bool touched;               /* wire bytes of ours were changed on the way */
	bool notified;              /* we have sent close_notify */
	bool was_notified;          /* the server has, behind all that came */
	bool greeted, over, echoes; /* 220; 421 or 221; 230, or raw and a byte came */
	bool ended;                 /* wire_has_ended was seen */
	unsigned replies;           /* to lines, before the 230 */
	size_t line_len;            /* of a reply that comes */
	size_t echo_at;             /* in plain: where the echo begins */
	size_t echoed;
	int reason;             /* enum close_reason, when the front has destroyed it; else -1 */
	bool echoed_at_end;     /* the front's own view at that time */
	size_t plain_len, sent; /* said, and of these given to the wire */
	char line[CLIENT_LINE_MAX + 1];
	struct wire wire;
	uint8_t plain[CLIENT_PLAIN_MAX];
};

/* tls: a session of net/tls.h that becomes the client's, or NULL. */
void client_init(struct client *, bool is_raw, bool is_relayed, struct tls *);
void client_fini(struct client *);

/* Says bytes, as many as there is room for. Secrets stand at the beginning of a line only. */
void client_say(struct client *, const void *bytes, size_t len);
/* len bytes, each a function of its place. */
void client_say_much(struct client *, size_t len);
bool client_is_at_line(const struct client *);
/* Before all else, past TLS: a relay's header. */
void client_say_header(struct client *, const void *bytes, size_t len);
/* Takes at most len wire bytes and judges what they are. Returns how many there were. */
size_t client_take(struct client *, size_t len);
/* Ends its direction: close_notify, then FIN; either can be left out. */
void client_end(struct client *, bool notify, bool fin);
/* Changes a byte that is on its way. */
void client_touch(struct client *, unsigned at);

/* Whether all that was said behind the login came back. */
bool client_has_all(const struct client *);
/* To be asked when nothing more will come. */
void client_judge_end(const struct client *);

#endif
