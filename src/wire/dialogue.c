#include "dialogue.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "must.h"
#include "text.h"

static void check(const struct dialogue *d)
{
	assert(d->line <= d->len);
	assert(d->len <= sizeof(d->buf));
	assert(d->name_len < sizeof(d->name));
}

static void PRINTF_LIKE(2, 3) add(struct dialogue_reply *reply, const char *fmt, ...)
{
	va_list args;
	size_t room = sizeof(reply->text) - reply->len;

	va_start(args, fmt);
	int n = vsnprintf(reply->text + reply->len, room, fmt, args);
	va_end(args);
	assert(n >= 0 && (size_t)n < room - 2);
	reply->len += (size_t)n;
	memcpy(reply->text + reply->len, "\r\n", 2);
	reply->len += 2;
}

void dialogue_say(struct dialogue_reply *reply, const char *line)
{
	reply->len = 0;
	add(reply, "%s", line);
}

void dialogue_init(struct dialogue *d, bool allows_secrets, uint32_t idle_s)
{
	*d = (struct dialogue){.allows_secrets = allows_secrets, .idle_s = idle_s};
}

void dialogue_greet(const char *host, struct dialogue_reply *reply)
{
	reply->len = 0;
	add(reply, "220 %.255s echod ready", host);
}

/* Drops the lines that are done with, so that a whole line fits behind what is left. */
static void compact(struct dialogue *d)
{
	if (d->line == 0)
		return;
	memmove(d->buf, d->buf + d->line, (size_t)(d->len - d->line));
	d->len = (uint16_t)(d->len - d->line);
	explicit_bzero(d->buf + d->len, d->line); /* the old place may hold the beginning of a secret */
	d->line = 0;
	check(d);
}

size_t dialogue_room(struct dialogue *d)
{
	assert(d->phase != DIALOGUE_WAITS); /* the secret asked about stands in buf */
	compact(d);
	return sizeof(d->buf) - d->len;
}

void dialogue_feed(struct dialogue *d, const uint8_t *data, size_t len)
{
	assert(d->phase != DIALOGUE_WAITS);
	assert(len <= sizeof(d->buf) - d->len);
	memcpy(d->buf + d->len, data, len);
	d->len = (uint16_t)(d->len + len);
}

/* Counts an error; the third is followed by 421. */
static enum dialogue_step strike(struct dialogue *d, struct dialogue_reply *reply)
{
	if (++d->strikes < WIRE_STRIKES_MAX)
		return DIALOGUE_REPLY;
	add(reply, "421 Too many errors");
	d->phase = DIALOGUE_OVER;
	return DIALOGUE_REFUSE;
}

static enum dialogue_step error(struct dialogue *d, struct dialogue_reply *reply, const char *line)
{
	dialogue_say(reply, line);
	return strike(d, reply);
}

/* The argument of the command word if line begins with it, in any case; NULL if it does not. */
static const char *argument_of(const char *line, size_t len, const char *word)
{
	size_t n = strlen(word);

	if (len < n || strncasecmp(line, word, n) != 0)
		return NULL;
	if (len == n)
		return line + n;
	return line[n] == ' ' ? line + n + 1 : NULL;
}

/* Well-formed UTF-8 without NUL: what every line is, but for a password. */
static bool is_text(const char *text, size_t len)
{
	unsigned c;

	for (size_t i = 0, n; i < len; i += n) {
		n = text_utf8_char(text + i, len - i, &c);
		if (n == 0 || c == 0)
			return false;
	}
	return true;
}

static enum dialogue_step user(struct dialogue *d, const char *name, size_t len, struct dialogue_reply *reply)
{
	if (d->users == WIRE_USERS_MAX) {
		dialogue_say(reply, "421 Too many USER lines");
		d->phase = DIALOGUE_OVER;
		return DIALOGUE_REFUSE;
	}
	d->users++;
	d->phase = DIALOGUE_WANTS_NAME;
	if (!d->allows_secrets) {
		dialogue_say(reply, "534 No password may travel on this path, which is not encrypted: use a tunnel, "
		                    "or this machine's own addresses");
		return DIALOGUE_REPLY;
	}
	if (len == 0 || !is_text(name, len))
		return error(d, reply, "501 That is not a name: 1 to 64 letters, digits and . _ - + @");
	memcpy(d->name, name, len);
	d->name[len] = '\0';
	d->name_len = (uint16_t)len;
	d->resumes = false;
	d->phase = DIALOGUE_WAITS;
	return DIALOGUE_ASK_NAME;
}

/* Asks about the secret in the line. */
static enum dialogue_step ask(struct dialogue *d, const char *secret, size_t len, enum dialogue_step step)
{
	d->secret = (uint16_t)((const uint8_t *)secret - d->buf);
	d->secret_len = (uint16_t)len;
	d->resumes = step == DIALOGUE_ASK_RESUME;
	d->phase = DIALOGUE_WAITS;
	return step;
}

static enum dialogue_step pass(struct dialogue *d, const char *secret, size_t len, struct dialogue_reply *reply)
{
	if (d->phase != DIALOGUE_WANTS_SECRET)
		return error(d, reply, "503 Say USER first");
	if (memchr(secret, '\0', len) || memchr(secret, '\r', len))
		return error(d, reply, "501 A password holds no NUL and no CR");
	return ask(d, secret, len, DIALOGUE_ASK_SECRET);
}

static enum dialogue_step no_token_here(struct dialogue_reply *reply)
{
	dialogue_say(reply, "534 No token may travel on this path, which is not encrypted: use a tunnel, "
	                    "or this machine's own addresses");
	return DIALOGUE_REPLY;
}

/* What the token looks like is for the keeper to judge: whatever is none is refused alike. */
static enum dialogue_step resume(struct dialogue *d, const char *token, size_t len, struct dialogue_reply *reply)
{
	if (!d->allows_secrets)
		return no_token_here(reply);
	d->name_len = 0; /* a USER line before this one is not meant any more */
	d->name[0] = '\0';
	return ask(d, token, len, DIALOGUE_ASK_RESUME);
}

static bool is_word(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && strncasecmp(text, word, len) == 0;
}

static enum dialogue_step opts(struct dialogue *d, const char *what, size_t len, struct dialogue_reply *reply)
{
	if (is_word(what, len, "KEEPALIVE OFF")) {
		dialogue_say(reply, "200 No keepalive on this connection");
		return DIALOGUE_KEEPALIVE;
	}
	if (!is_word(what, len, "TOKEN"))
		return error(d, reply, "501 That option is not known; FEAT lists those that are");
	if (!d->allows_secrets)
		return no_token_here(reply);
	d->wants_token = true;
	dialogue_say(reply, "200 The 230 will tell a token");
	return DIALOGUE_REPLY;
}

static const char not_known[] = "500 That command is not known; HELP lists those that are";

/* The commands whose argument, if there is one, does not matter; but it is text. */
static enum dialogue_step simple(struct dialogue *d, const char *line, size_t len, struct dialogue_reply *reply)
{
	reply->len = 0;
	if (!is_text(line, len))
		return error(d, reply, not_known);
	if (argument_of(line, len, "FEAT")) {
		add(reply, "211-OPTS KEEPALIVE OFF");
		add(reply, "211-OPTS TOKEN");
		add(reply, "211-RESUME");
		add(reply, "211-IDLE %u", d->idle_s);
		add(reply, "211 End");
	} else if (argument_of(line, len, "HELP")) {
		add(reply, "214-USER name, then PASS password: then every byte comes back");
		add(reply, "214-OPTS TOKEN before that asks for a token, and RESUME token logs in with it");
		add(reply, "214-OPTS KEEPALIVE OFF, FEAT, NOOP, HELP, QUIT");
		add(reply, "214 End");
	} else if (argument_of(line, len, "NOOP")) {
		add(reply, "200 Nothing done");
	} else if (argument_of(line, len, "QUIT")) {
		add(reply, "221 Goodbye");
		d->phase = DIALOGUE_OVER;
		return DIALOGUE_END;
	} else {
		return error(d, reply, not_known);
	}
	return DIALOGUE_REPLY;
}

static enum dialogue_step command(struct dialogue *d, const char *line, size_t len, struct dialogue_reply *reply)
{
	const char *end = line + len, *argument;

	if ((argument = argument_of(line, len, "USER")))
		return user(d, argument, (size_t)(end - argument), reply);
	if ((argument = argument_of(line, len, "PASS")))
		return pass(d, argument, (size_t)(end - argument), reply);
	if ((argument = argument_of(line, len, "RESUME")))
		return resume(d, argument, (size_t)(end - argument), reply);
	if ((argument = argument_of(line, len, "OPTS")))
		return opts(d, argument, (size_t)(end - argument), reply);
	return simple(d, line, len, reply);
}

/* No LF is in sight: drops what cannot become a line any more, and says so once a line. */
static enum dialogue_step unfinished(struct dialogue *d, struct dialogue_reply *reply)
{
	if (!d->discarding && (d->line > 0 || d->len < sizeof(d->buf)))
		return DIALOGUE_MORE;
	explicit_bzero(d->buf, d->len); /* it may hold a password or a token */
	d->len = d->line = 0;
	if (d->discarding)
		return DIALOGUE_MORE;
	d->discarding = true;
	return error(d, reply, "500 Line too long: 512 bytes at most, with its end");
}

enum dialogue_step dialogue_next(struct dialogue *d, struct dialogue_reply *reply)
{
	check(d);
	reply->len = 0;
	/* unreached: who has been let in or sent away is not asked again */
	if (d->phase == DIALOGUE_WAITS || d->phase == DIALOGUE_IS_IN || d->phase == DIALOGUE_OVER)
		return DIALOGUE_MORE;
	for (;;) {
		uint8_t *line = d->buf + d->line;
		uint8_t *lf = memchr(line, '\n', (size_t)(d->len - d->line));
		if (!lf)
			return unfinished(d, reply);
		d->line = (uint16_t)(lf + 1 - d->buf);
		if (d->discarding) {
			d->discarding = false;
			continue;
		}
		size_t len = (size_t)(lf - line);
		if (len > 0 && line[len - 1] == '\r')
			len--;
		return command(d, (const char *)line, len, reply);
	}
}

const uint8_t *dialogue_secret(const struct dialogue *d, size_t *len)
{
	*len = d->secret_len;
	return d->buf + d->secret;
}

static enum dialogue_step welcome(struct dialogue *d, const struct dialogue_said *said, struct dialogue_reply *reply)
{
	d->phase = DIALOGUE_IS_IN;
	if (said->news)
		add(reply, "230-%.256s", said->news);
	if (said->address)
		add(reply, "230-You come from %.80s", said->address);
	/* unreached: a token comes with its end */
	if (said->token && said->expires)
		add(reply, "230-TOKEN %.*s %.32s", WIRE_TOKEN_CHARS, said->token, said->expires);
	add(reply, "230 Welcome, %s. Echo begins", d->name);
	return DIALOGUE_IN;
}

/* A keeper that says what no keeper says is out of its mind, and so out of reach. */
static enum dialogue_answer sane(const struct dialogue *d, enum dialogue_answer answer)
{
	/* unreached: no other value */
	switch (answer) {
	case ANSWER_IN: return d->resumes && d->name_len == 0 ? ANSWER_UNAVAILABLE : answer;
	case ANSWER_KNOWN:
	case ANSWER_UNKNOWN:
	case ANSWER_BAD_NAME:
	case ANSWER_BAD_SECRET:
	case ANSWER_FULL:
	case ANSWER_NEW_ACCOUNTS: return d->resumes ? ANSWER_UNAVAILABLE : answer;
	case ANSWER_REFUSED:
	case ANSWER_UNAVAILABLE:
	case ANSWER_BUSY:
	case ANSWER_PENALTY: return answer;
	}
	return ANSWER_UNAVAILABLE; /* unreached: no other value */
}

static enum dialogue_step goodbye(struct dialogue *d)
{
	d->phase = DIALOGUE_OVER;
	return DIALOGUE_REFUSE;
}

static enum dialogue_step refused(struct dialogue *d, struct dialogue_reply *reply)
{
	return error(d, reply,
	             d->resumes ? "530 That token is not good, or not any more: log in with USER and PASS"
	                        : "530 Name or password is wrong");
}

static enum dialogue_step wants_secret(struct dialogue *d, bool creates, struct dialogue_reply *reply)
{
	d->creates = creates;
	d->phase = DIALOGUE_WANTS_SECRET;
	if (creates)
		add(reply, "332 No account named %s yet: PASS creates it", d->name);
	else
		add(reply, "331 Password, please");
	return DIALOGUE_REPLY;
}

enum dialogue_step dialogue_answer(struct dialogue *d, const struct dialogue_said *said, struct dialogue_reply *reply)
{
	bool was_password = !d->resumes && (d->secret_len > 0 || d->secret > 0);

	explicit_bzero(d->buf + d->secret, d->secret_len);
	d->secret = d->secret_len = 0;
	d->phase = DIALOGUE_WANTS_NAME;
	reply->len = 0;
	/* unreached: the keeper's names are shorter */
	if (said->name && strlen(said->name) < sizeof(d->name)) {
		d->name_len = (uint16_t)strlen(said->name);
		memcpy(d->name, said->name, (size_t)d->name_len + 1);
	}
	/* unreached: no other value */
	switch (sane(d, said->answer)) {
	case ANSWER_KNOWN: return wants_secret(d, false, reply);
	case ANSWER_UNKNOWN: return wants_secret(d, true, reply);
	case ANSWER_BAD_NAME: return error(d, reply, "501 That is not a name: 1 to 64 letters, digits and . _ - + @");
	case ANSWER_IN: return welcome(d, said, reply);
	case ANSWER_REFUSED: return refused(d, reply);
	case ANSWER_BAD_SECRET:
		d->phase = DIALOGUE_WANTS_SECRET;
		return error(d, reply, "501 A new account's password has 8 to 256 bytes");
	case ANSWER_UNAVAILABLE:
		if (was_password)
			d->phase = DIALOGUE_WANTS_SECRET;
		add(reply, "451 Accounts are out of reach: try again later");
		return DIALOGUE_REPLY;
	case ANSWER_FULL:
		add(reply, "451 No more accounts are taken here: ask whoever runs this server");
		return DIALOGUE_REPLY;
	case ANSWER_BUSY: add(reply, "421 Too busy: try again later"); return goodbye(d);
	case ANSWER_NEW_ACCOUNTS:
		add(reply, "421 Too many new accounts from your address: try again later");
		return goodbye(d);
	case ANSWER_PENALTY:
		add(reply, "421 Too many failed logins: try again in %u s", said->retry_s);
		return goodbye(d);
	}
	return DIALOGUE_MORE;
}

const uint8_t *dialogue_rest(const struct dialogue *d, size_t *len)
{
	*len = (size_t)(d->len - d->line);
	return d->buf + d->line;
}
