/*
 * What front and keeper say to each other, over one SOCK_SEQPACKET pair per worker. Messages have a fixed size; the
 * keeper trusts none of their contents: it checks lengths, names and tokens itself, and decides itself who may
 * register. What only the front can know it has to believe: who the peer is, and what the path is like. A front that
 * lies about that could as well keep the passwords that pass through it.
 */
#ifndef LINK_ASK_H
#define LINK_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "dialogue.h"
#include "wire.h"

enum ask_kind { ASK_NAME = 1, ASK_SECRET = 2, ASK_RESUME = 3 };

struct ask {
	uint64_t id;       /* comes back with the verdict */
	uint32_t kind;     /* enum ask_kind */
	uint16_t listener; /* by number: registration may be open on one and closed on another */
	uint16_t name_len, secret_len;
	/* 0 or 1 each */
	uint8_t creates;     /* ASK_SECRET: the client was told 332 */
	uint8_t wants_token; /* ASK_SECRET: the client asked for a token; ASK_RESUME always gets one */
	uint8_t path_safe;   /* encrypted, or within this machine; else the keeper takes no secret and gives no token,
	                      * unless the server was told to allow it */
	uint8_t is_local;    /* the client is on this machine: limits on accounts leave it out */
	uint16_t reserved;
	struct peer peer;
	char name[WIRE_NAME_LINE_MAX];
	uint8_t secret[WIRE_SECRET_LINE_MAX]; /* the password; ASK_RESUME: the token's text */
};

#define VERDICT_NEWS_MAX 256
#define VERDICT_MARK_MAX 9 /* the first 8 digits of a token's SHA-256, which is all that a log may tell */

struct verdict {
	uint64_t id;
	uint32_t answer;                    /* enum dialogue_answer */
	uint32_t created;                   /* ANSWER_IN: a new account */
	uint32_t delay_ms;                  /* the client gets it so much later: failures are slow */
	uint32_t retry_s;                   /* ANSWER_PENALTY: when the client may try again */
	int64_t expires_us;                 /* of the token, by the wall clock */
	char name[WIRE_NAME_BYTES_MAX + 1]; /* as the store has it; empty where it is no name, or none to tell */
	char news[VERDICT_NEWS_MAX];        /* for a 230- line; empty for none */
	char token[WIRE_TOKEN_CHARS + 1];   /* ANSWER_IN: a new token; empty for none. Wiped wherever it has been */
	char used[VERDICT_MARK_MAX];        /* ASK_RESUME: the mark of the token; empty where it was none */
	char issued[VERDICT_MARK_MAX];      /* that of the new token; empty for none */
};

#endif
