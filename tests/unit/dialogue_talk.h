/*
 * Transcripts of the server's end of the login dialogue, played against a keeper that answers by the name. However the
 * network cuts what a client sends, the dialogue has to be the same: each transcript is fed whole, cut in two at every
 * byte, in three at sampled places, and byte by byte.
 */
#ifndef UNIT_DIALOGUE_TALK_H
#define UNIT_DIALOGUE_TALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dialogue.h"

/* The replies, which are stable text (PROTOCOL.md). */
#define R_200       "200 Nothing done\r\n"
#define R_200_OFF   "[keepalive off]200 No keepalive on this connection\r\n"
#define R_200_TOKEN "200 The 230 will tell a token\r\n"
#define R_211       "211-OPTS KEEPALIVE OFF\r\n211-OPTS TOKEN\r\n211-RESUME\r\n211-IDLE 300\r\n211 End\r\n"
#define R_214                                                                                                          \
	"214-USER name, then PASS password: then every byte comes back\r\n"                                            \
	"214-OPTS TOKEN before that asks for a token, and RESUME token logs in with it\r\n"                            \
	"214-OPTS KEEPALIVE OFF, FEAT, NOOP, HELP, QUIT\r\n214 End\r\n"
#define R_221         "221 Goodbye\r\n[end]"
#define R_230(name)   "230 Welcome, " name ". Echo begins\r\n[in]"
#define R_331         "331 Password, please\r\n"
#define R_332(name)   "332 No account named " name " yet: PASS creates it\r\n"
#define R_421_ERRORS  "421 Too many errors\r\n[refuse]"
#define R_421_USERS   "421 Too many USER lines\r\n[refuse]"
#define R_421_BUSY    "421 Too busy: try again later\r\n[refuse]"
#define R_451         "451 Accounts are out of reach: try again later\r\n"
#define R_500         "500 That command is not known; HELP lists those that are\r\n"
#define R_500_LONG    "500 Line too long: 512 bytes at most, with its end\r\n"
#define R_501_NAME    "501 That is not a name: 1 to 64 letters, digits and . _ - + @\r\n"
#define R_501_NEW     "501 A new account's password has 8 to 256 bytes\r\n"
#define R_501_NUL     "501 A password holds no NUL and no CR\r\n"
#define R_501_OPTION  "501 That option is not known; FEAT lists those that are\r\n"
#define R_503         "503 Say USER first\r\n"
#define R_530         "530 Name or password is wrong\r\n"
#define R_421_NEW     "421 Too many new accounts from your address: try again later\r\n[refuse]"
#define R_421_PENALTY "421 Too many failed logins: try again in 17 s\r\n[refuse]"
#define R_451_FULL    "451 No more accounts are taken here: ask whoever runs this server\r\n"
#define R_530_TOKEN   "530 That token is not good, or not any more: log in with USER and PASS\r\n"
#define R_534_TOKEN                                                                                                    \
	"534 No token may travel on this path, which is not encrypted: use a tunnel, or this machine's own "           \
	"addresses\r\n"
#define R_534                                                                                                          \
	"534 No password may travel on this path, which is not encrypted: use a tunnel, or this machine's own "        \
	"addresses\r\n"

#define NEWS       "Last login 2026-01-02T03:04:05Z from 127.0.0.1"
#define EXPIRES    "2026-01-02T11:04:05Z"
#define TOKEN_1    "kf3Gd0aQ-uM_7x9ZsLw2VbNcYtRe4Ji6Ho8PqXmDl1E"
#define TOKEN_2    "Zz3Gd0aQ-uM_7x9ZsLw2VbNcYtRe4Ji6Ho8PqXmDl1E"
#define RESUMED    "[resume " TOKEN_1 "]230-" NEWS "\r\n230-TOKEN " TOKEN_2 " " EXPIRES "\r\n" R_230("anna")
#define IN_AS_ANNA "[secret correct horse]230-" NEWS "\r\n" R_230("anna")
#define ASKED_ANNA "[name anna]" R_331
#define TEN(x)     x x x x x x x x x x

/* Both ends of one run: the dialogue, the keeper that answers it, and all that was said. */
struct talk {
	struct dialogue dialogue;
	bool is_in, is_over, was_down;
	bool checks_wiping; /* for transcripts that hold each secret once */
	size_t out_len, out_cap;
	char *out;
};

struct transcript {
	const void *in;
	size_t in_len;
	const void *out;
	size_t out_len;
	bool no_secrets; /* a path that no secret may take */
	bool checks_wiping;
};

#define SAYS(in, out)                                                                                                  \
	{                                                                                                              \
		in, sizeof(in) - 1, out, sizeof(out) - 1, false, false                                                 \
	}
#define SAYS_IN_CLEAR(in, out)                                                                                         \
	{                                                                                                              \
		in, sizeof(in) - 1, out, sizeof(out) - 1, true, false                                                  \
	}

/* A fresh run for the transcript. */
void talk_begin(struct talk *t, const struct transcript *script);
void talk_feed(struct talk *t, const uint8_t *data, size_t len);
void talk_cut_in_three(struct talk *t, const struct transcript *script, size_t cut, size_t cut2);
void talk_byte_by_byte(struct talk *t, const struct transcript *script);
void talk_play(const struct transcript *script);
void talk_play_all(const struct transcript *script, size_t count);

/* Prints the seed and takes it from TEST_SEED; before anything else. */
void talk_seed(void);
/* A random number below n. */
size_t talk_below(size_t n);

#endif
