#include "login.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "address.h"
#include "login_reply.h"
#include "program.h"
#include "status.h"
#include "wait.h"
#include "words.h"

int login_path_is_local(int fd)
{
	struct sockaddr_storage here = {0}, there = {0};
	socklen_t here_len = sizeof(here), there_len = sizeof(there);

	if (getsockname(fd, (struct sockaddr *)&here, &here_len) < 0 ||
	    getpeername(fd, (struct sockaddr *)&there, &there_len) < 0)
		return -errno;
	struct peer a = peer_from_sockaddr(&here), b = peer_from_sockaddr(&there);
	return peer_path_is_local(&a, &b);
}

enum login_outcome login_greet(struct channel *c, struct login_report *report)
{
	*report = (struct login_report){0};
	int err = login_reply_read(c, LOGIN_GREETING_MS, NULL, report);
	if (err == -ETIMEDOUT)
		return LOGIN_NO_GREETING;
	if (err)
		return login_reply_failed(err, report);
	if (report->code == 421 || report->code == 451)
		return LOGIN_BUSY;
	return report->code == 220 ? LOGIN_FINE : LOGIN_NOT_PROTOCOL;
}

static enum login_outcome say_user(struct channel *c, const struct login_terms *terms, struct login_report *report)
{
	enum login_outcome outcome = login_reply_to(c, "USER", terms->user, strlen(terms->user), NULL, report);

	if (outcome != LOGIN_FINE)
		return outcome;
	switch (report->code) {
	case 331: return LOGIN_FINE;
	case 332: return terms->may_create ? LOGIN_FINE : LOGIN_NO_REGISTER;
	case 501: return LOGIN_BAD_NAME;
	case 530: return LOGIN_REFUSED;
	case 534: return LOGIN_NO_SECRET;
	default: return LOGIN_NOT_PROTOCOL;
	}
}

/* Whether the server has said or done something while nobody listened: its login deadline passed. */
static bool has_spoken(struct channel *c)
{
	return channel_wait(c, POLLIN, 0) != -ETIMEDOUT;
}

/* Sees to it that the password is known and can be what the server has asked for. */
static enum login_outcome need_secret(struct channel *c, const struct login_terms *terms, struct login_report *report)
{
	bool creates = report->code == 332;
	struct secret *secret = terms->secret;

	if (!secret->known) {
		if (!terms->may_ask)
			return terms->again || report->token_refused ? LOGIN_NO_TOKEN : LOGIN_NO_PASSWORD;
		if (secret_ask(terms->user, creates, secret))
			return LOGIN_NO_ANSWER;
		report->asked = true;
		if (has_spoken(c)) {
			login_reply_set_text(report, "", 0);
			return LOGIN_ENDED;
		}
	}
	if (creates && (secret->len < WIRE_SECRET_BYTES_MIN || secret->len > WIRE_SECRET_BYTES_MAX)) {
		snprintf(report->text, sizeof(report->text), _("a new account's password has %d to %d bytes"),
		         WIRE_SECRET_BYTES_MIN, WIRE_SECRET_BYTES_MAX);
		return LOGIN_BAD_SECRET;
	}
	report->created = creates;
	return LOGIN_FINE;
}

/* How the password or the token was taken. */
static enum login_outcome take_verdict(const struct login_report *report)
{
	switch (report->code) {
	case 230: return LOGIN_FINE;
	case 501: return LOGIN_BAD_SECRET;
	case 530: return LOGIN_REFUSED;
	case 534: return LOGIN_NO_SECRET;
	default: return LOGIN_NOT_PROTOCOL;
	}
}

/* Says word and secret, and keeps the token that may come back. */
static enum login_outcome say_secret(struct channel *c, const char *word, const char *secret, size_t len,
                                     const struct login_terms *terms, struct login_report *report)
{
	struct token token = {0};
	struct login_news news = {.show = terms->show, .token = terms->tokens ? &token : NULL};
	enum login_outcome outcome = login_reply_to(c, word, secret, len, &news, report);

	if (outcome == LOGIN_FINE)
		outcome = take_verdict(report);
	if (outcome == LOGIN_FINE && *token.text)
		tokens_keep(terms->tokens, &token);
	token_forget(&token);
	return outcome;
}

/*
 * Asks for a token with the 230, and resumes with the one that is there. Returns LOGIN_FINE also where that did not let
 * in: report->resumed tells. A server that does not know the first question is not asked again, for that is a strike.
 */
static enum login_outcome resume(struct channel *c, const struct login_terms *terms, struct login_report *report)
{
	static const char ask[] = "TOKEN";
	struct tokens *tokens = terms->tokens;
	char token[TOKEN_LEN + 1];

	/* A password that was given is what the first login is about, and a token in hand is enough for what comes. */
	if (!tokens || tokens->off || (tokens_usable(tokens) && terms->secret->known && !terms->again))
		return LOGIN_FINE;
	enum login_outcome outcome = login_reply_to(c, "OPTS", ask, sizeof(ask) - 1, NULL, report);
	if (outcome == LOGIN_FINE && report->code != 200)
		tokens->off = true;
	const char *usable = tokens_usable(tokens);
	if (outcome != LOGIN_FINE || !usable)
		return outcome;
	memcpy(token, usable, sizeof(token));
	outcome = say_secret(c, "RESUME", token, TOKEN_LEN, terms, report);
	explicit_bzero(token, sizeof(token));
	report->resumed = outcome == LOGIN_FINE;
	if (outcome != LOGIN_REFUSED && outcome != LOGIN_BAD_SECRET)
		return outcome;
	tokens_drop(tokens);
	report->token_refused = true;
	return LOGIN_FINE;
}

/* Whether a person may try once more; says why it is needed, and forgets the password that was wrong. */
static bool try_again(const struct login_terms *terms, const struct login_report *report)
{
	if (!terms->may_ask || !terms->secret->typed || ++*terms->refusals >= WIRE_STRIKES_MAX)
		return false;
	program_say(ECHOC, _("%s answered %u %s: type the password again, or Ctrl-D to leave."), terms->where,
	            report->code, report->text);
	secret_forget(terms->secret);
	return true;
}

/* What a measurement of idling wants to know, and to be without. A server that does not know it says so, once each. */
static enum login_outcome prepare_idling(struct channel *c, struct login_report *report)
{
	static const char ask[] = "KEEPALIVE OFF";
	enum login_outcome outcome = login_reply_to(c, "FEAT", "", 0, NULL, report);

	if (outcome != LOGIN_FINE)
		return outcome;
	outcome = login_reply_to(c, "OPTS", ask, sizeof(ask) - 1, NULL, report);
	report->keepalive_off = outcome == LOGIN_FINE && report->code == 200;
	return outcome;
}

enum login_outcome login_enter(struct channel *c, const struct login_terms *terms, struct login_report *report)
{
	const struct secret *secret = terms->secret;
	enum login_outcome outcome = terms->for_idling ? prepare_idling(c, report) : LOGIN_FINE;

	if (outcome == LOGIN_FINE)
		outcome = resume(c, terms, report);
	if (outcome != LOGIN_FINE || report->resumed)
		return outcome;
	do {
		outcome = say_user(c, terms, report);
		if (outcome == LOGIN_FINE)
			outcome = need_secret(c, terms, report);
		if (outcome == LOGIN_FINE)
			outcome = say_secret(c, "PASS", secret->text, secret->len, terms, report);
	} while (outcome == LOGIN_REFUSED && report->code == 530 && secret->known && try_again(terms, report));
	return outcome;
}
