/*
 * What front and keeper say to each other, over one SOCK_SEQPACKET pair per worker. Messages have a fixed size; the
 * keeper trusts none of their contents: it checks lengths and names itself, and decides itself who may register.
 */
#ifndef LINK_ASK_H
#define LINK_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "dialogue.h"
#include "wire.h"

enum ask_kind { ASK_NAME = 1, ASK_SECRET = 2 };

struct ask {
	uint64_t id;       /* comes back with the verdict */
	uint32_t kind;     /* enum ask_kind */
	uint16_t listener; /* by number: registration may be open on one and closed on another */
	uint16_t creates;  /* ASK_SECRET: the client was told 332 */
	uint16_t name_len, secret_len;
	struct peer peer;
	char name[WIRE_NAME_LINE_MAX];
	uint8_t secret[WIRE_SECRET_LINE_MAX];
};

#define VERDICT_NEWS_MAX 256

struct verdict {
	uint64_t id;
	uint32_t answer;                    /* enum dialogue_answer */
	uint32_t created;                   /* ANSWER_IN: a new account */
	char name[WIRE_NAME_BYTES_MAX + 1]; /* as the store has it; empty where it is no name */
	char news[VERDICT_NEWS_MAX];        /* for a 230- line; empty for none */
};

#endif
