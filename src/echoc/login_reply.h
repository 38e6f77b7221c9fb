/* One step of the login dialogue: a command, if there is one, and the server's reply, within a time limit. */
#ifndef ECHOC_LOGIN_REPLY_H
#define ECHOC_LOGIN_REPLY_H

#include <stddef.h>

#include "channel.h"
#include "login.h"
#include "must.h"
#include "token.h"

/* Who gets what a 230 tells in lines before its last. Each may be NULL. */
struct login_news {
	void (*show)(const char *); /* each line, fit to show, but for the one with a token; and the last one */
	struct token *token;        /* the token, if one is told */
};

/*
 * Reads a whole reply into report. Returns 0; -ETIMEDOUT; -EBADMSG where it is none, the text then being what came; or
 * another negative errno of the channel.
 */
int login_reply_read(struct channel *, unsigned limit_ms, const struct login_news *, struct login_report *) MUST_CHECK;

/* What a failed login_reply_read means. */
enum login_outcome login_reply_failed(int err, struct login_report *);

/*
 * Sends `word argument`, argument having len bytes (0: the word alone), and reads its reply. Returns LOGIN_FINE for
 * every reply but 421 and 451: the code is in report. What was sent is wiped.
 */
enum login_outcome login_reply_to(struct channel *, const char *word, const char *argument, size_t len,
                                  const struct login_news *, struct login_report *) MUST_CHECK;

/* Sets the report's text, made fit to show. */
void login_reply_set_text(struct login_report *, const char *text, size_t len);

#endif
