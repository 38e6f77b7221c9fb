/*
 * The server's end of the login dialogue: bytes in, replies and questions out. No descriptor, no clock, no memory of
 * its own; whoever drives it sends the replies, asks the keeper and brings the answers.
 *
 *     dialogue_feed   the client's bytes, at most dialogue_room of them
 *     dialogue_next   the next step; after DIALOGUE_ASK_… first dialogue_answer
 *
 * It never looks beyond the LF of a PASS or RESUME line before that line's answer is in: what follows may be echo data.
 */
#ifndef WIRE_DIALOGUE_H
#define WIRE_DIALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

enum dialogue_step {
	DIALOGUE_MORE,       /* wants more bytes; nothing to send */
	DIALOGUE_REPLY,      /* send the reply, go on */
	DIALOGUE_ASK_NAME,   /* ask about name; nothing to send yet */
	DIALOGUE_ASK_SECRET, /* ask whether name and secret belong together; nothing to send yet */
	DIALOGUE_ASK_RESUME, /* ask whose token the secret is; nothing to send yet */
	DIALOGUE_KEEPALIVE,  /* switch TCP keepalive off, send the reply, go on */
	DIALOGUE_IN,         /* send the reply; dialogue_rest is the first of the echo data */
	DIALOGUE_END,        /* send the reply, then FIN: the client said QUIT */
	DIALOGUE_REFUSE,     /* send the reply, then FIN: too many errors, or the answer was a 421 */
};

/* What the keeper answers. */
enum dialogue_answer {
	ANSWER_KNOWN,        /* 331: a password, please */
	ANSWER_UNKNOWN,      /* 332: PASS creates it */
	ANSWER_BAD_NAME,     /* 501 */
	ANSWER_IN,           /* 230 */
	ANSWER_REFUSED,      /* 530 */
	ANSWER_BAD_SECRET,   /* 501: too short or too long for a new account */
	ANSWER_UNAVAILABLE,  /* 451 */
	ANSWER_FULL,         /* 451: there are as many accounts as may be */
	ANSWER_BUSY,         /* 421 */
	ANSWER_NEW_ACCOUNTS, /* 421: too many new accounts from this address */
	ANSWER_PENALTY,      /* 421: too many failed logins */
};
#define DIALOGUE_ANSWER_LAST ANSWER_PENALTY

/* An answer with what goes into the reply. All texts end in NUL; NULL for none. */
struct dialogue_said {
	enum dialogue_answer answer;
	const char *name; /* as the keeper writes it; NULL keeps the one given, but a resumption needs one */
	/* with ANSWER_IN, each a line of its own */
	const char *news;    /* at most 256 bytes */
	const char *address; /* where the client comes from; at most 80 bytes */
	const char *token;   /* WIRE_TOKEN_CHARS */
	const char *expires; /* when the token does, in RFC 3339 */
	uint32_t retry_s;    /* with ANSWER_PENALTY: when to try again */
};

enum dialogue_phase { DIALOGUE_WANTS_NAME, DIALOGUE_WANTS_SECRET, DIALOGUE_WAITS, DIALOGUE_IS_IN, DIALOGUE_OVER };

#define DIALOGUE_REPLY_MAX 1280

struct dialogue_reply {
	size_t len;
	char text[DIALOGUE_REPLY_MAX];
};

struct dialogue {
	enum dialogue_phase phase;
	bool allows_secrets; /* false: USER, OPTS TOKEN and RESUME are answered 534 */
	bool wants_token;    /* OPTS TOKEN was said */
	bool resumes;        /* the last question was about a token */
	bool discarding;     /* an over-long line's rest */
	bool creates;        /* 332 was said: PASS creates the account */
	uint8_t strikes, users;
	uint32_t idle_s;    /* told by FEAT; 0 is no limit */
	uint16_t len, line; /* 0 <= line <= len <= sizeof buf; line: where the next line begins */
	uint16_t name_len;
	uint16_t secret, secret_len;       /* where the secret stands in buf while the answer is awaited */
	char name[WIRE_NAME_LINE_MAX + 1]; /* as the client gave it, then as the keeper wrote it; ends in NUL */
	uint8_t buf[WIRE_LINE_MAX];
};

/* allows_secrets: whether a password or a token may travel on this path. idle_s: the idle limit after login, 0 for
 * none. */
void dialogue_init(struct dialogue *, bool allows_secrets, uint32_t idle_s);

/* The greeting, `220 host echod ready`. */
void dialogue_greet(const char *host, struct dialogue_reply *);

/* How many bytes dialogue_feed takes now; more than 0 whenever dialogue_next said DIALOGUE_MORE. */
size_t dialogue_room(struct dialogue *);
void dialogue_feed(struct dialogue *, const uint8_t *data, size_t len);

enum dialogue_step dialogue_next(struct dialogue *, struct dialogue_reply *);

/* The secret that DIALOGUE_ASK_SECRET or _RESUME asks about, and its length; wiped by dialogue_answer. */
const uint8_t *dialogue_secret(const struct dialogue *, size_t *len);

/* The answer to the last question. The reply may hold a token, and then its owner wipes it. */
enum dialogue_step dialogue_answer(struct dialogue *, const struct dialogue_said *, struct dialogue_reply *);

/* After DIALOGUE_IN: the bytes behind the PASS or RESUME line that have been fed already. */
const uint8_t *dialogue_rest(const struct dialogue *, size_t *len);

/* A reply of one line, for refusals that are not the dialogue's own. */
void dialogue_say(struct dialogue_reply *, const char *line);

#endif
