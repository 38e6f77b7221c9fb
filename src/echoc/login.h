/*
 * The login dialogue over a channel: wire/reply driven with time limits. It resumes with a token where there is one,
 * asks for the password when the server does, and never reads beyond the 230: what follows is echo.
 */
#ifndef ECHOC_LOGIN_H
#define ECHOC_LOGIN_H

#include <stdbool.h>

#include "channel.h"
#include "must.h"
#include "secret.h"
#include "tokens.h"
#include "wire.h"

#define LOGIN_HANDSHAKE_MS 10000 /* of TLS */
#define LOGIN_GREETING_MS  10000
#define LOGIN_REPLY_MS     30000

enum login_outcome {
	LOGIN_FINE,
	LOGIN_BUSY,         /* 421 or 451: another time */
	LOGIN_ENDED,        /* the connection ended, or a reply did not come in time */
	LOGIN_REFUSED,      /* 530 */
	LOGIN_BAD_NAME,     /* 501 to USER */
	LOGIN_BAD_SECRET,   /* 501 to PASS, or seen here: no password for a new account */
	LOGIN_NO_REGISTER,  /* 332, and the terms forbid to create */
	LOGIN_NO_SECRET,    /* 534 */
	LOGIN_NO_ANSWER,    /* the person did not want to type a password */
	LOGIN_NO_PASSWORD,  /* none was given, and nobody can be asked for it */
	LOGIN_NO_TOKEN,     /* the same, where a token was to make it needless */
	LOGIN_NO_GREETING,  /* silence */
	LOGIN_NOT_PROTOCOL, /* something else speaks there */
	LOGIN_TLS_FAILED,   /* what came is not what the server sent */
};

/* What is wanted. All pointers stay the caller's. */
struct login_terms {
	const char *where, *user;
	bool may_create, may_ask;
	bool again;                 /* after a drop: a token is taken even where the password is known */
	struct secret *secret;      /* asked for when it is not known */
	struct tokens *tokens;      /* attached; NULL where no token may travel */
	unsigned *refusals;         /* how often a typed one was refused, over all connections */
	bool for_idling;            /* ask for no keepalive, and for the server's idle limit */
	void (*show)(const char *); /* gets each line of the 230 reply, fit to show; NULL for none */
};

#define LOGIN_TEXT_MAX (WIRE_LINE_MAX * 4 + 1)

/* What happened. */
struct login_report {
	bool asked, created, resumed, token_refused;
	bool endless;              /* the reply that is none had no end */
	bool keepalive_off;        /* the server has switched it off */
	uint64_t idle_limit_s;     /* the server's, as FEAT told; 0: none */
	char seen_as[128];         /* the address that it sees, as the 230 told; empty: it did not */
	unsigned code;             /* of the last reply; 0 when the connection failed first */
	char text[LOGIN_TEXT_MAX]; /* its last line, or why the connection failed; fit to show */
};

/* Awaits the greeting. */
enum login_outcome login_greet(struct channel *, struct login_report *) MUST_CHECK;
/* RESUME, or USER and PASS, until the server lets in or a reason not to go on. */
enum login_outcome login_enter(struct channel *, const struct login_terms *, struct login_report *) MUST_CHECK;

/*
 * Whether both ends of fd are this machine, so that a password may travel in the clear: 1 or 0, or a negative errno
 * when the connection is gone, and with it the answer.
 */
int login_path_is_local(int fd) MUST_CHECK;

#endif
