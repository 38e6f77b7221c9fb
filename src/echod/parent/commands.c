#include "commands.h"

#include <string.h>

#include "ending.h"
#include "reload.h"
#include "run.h"
#include "status.h"
#include "text.h"

static void tell_status(struct run *run, struct control_client *client, const char *rest)
{
	(void)rest;
	control_answer(client, status_document(run));
}

/* Answered before it begins, for it may be the end of everything. */
static void drain(struct run *run, struct control_client *client, const char *rest)
{
	(void)rest;
	control_answer(client, document_print("{\"draining\": true, \"open\": %llu}",
	                                      (unsigned long long)counters_get(&run->counters->open)));
	if (run->phase < RUN_DRAINING)
		ending_drain(run);
}

static void reload(struct run *run, struct control_client *client, const char *rest)
{
	(void)rest;
	control_answer(client, reload_all(run));
}

static void ask_keeper(struct run *run, enum order_kind kind, const char *name, struct control_client *client)
{
	if (run->has_keeper)
		question_ask(&run->questions, kind, name, client);
	else
		control_answer(client, document_error(DOCUMENT_UNREACHABLE, "This server has no accounts: all its "
		                                                            "listeners are raw."));
}

/* Whether it may be a name, for the keeper to judge: UTF-8 of a length that names have, and fit to be repeated. */
static bool may_be_name(const char *text)
{
	size_t left = strlen(text);

	if (left == 0 || left > WIRE_NAME_BYTES_MAX)
		return false;
	for (size_t used; left > 0; text += used, left -= used) {
		unsigned c;
		used = text_utf8_char(text, left, &c);
		if (used == 0 || c <= 0x20 || (c >= 0x7f && c < 0xa0))
			return false;
	}
	return true;
}

static void revoke(struct run *run, struct control_client *client, const char *rest)
{
	if (may_be_name(rest))
		ask_keeper(run, ORDER_REVOKE, rest, client);
	else
		control_answer(client, document_error(DOCUMENT_FAILED,
		                                      "Say revoke and a name, of at most %d bytes of "
		                                      "UTF-8.",
		                                      WIRE_NAME_BYTES_MAX));
}

static void list_penalties(struct run *run, struct control_client *client, const char *rest)
{
	(void)rest;
	ask_keeper(run, ORDER_PENALTIES, "", client);
}

static void clear_penalties(struct run *run, struct control_client *client, const char *rest)
{
	(void)rest;
	ask_keeper(run, ORDER_CLEAR_PENALTIES, "", client);
}

static const struct command {
	const char *words; /* a space at its end: what follows is its argument */
	void (*run)(struct run *, struct control_client *, const char *rest);
} commands[] = {
    {"status", tell_status},
    {"drain", drain},
    {"reload", reload},
    {"penalties", list_penalties},
    {"penalties clear", clear_penalties},
    {"revoke ", revoke},
};

static bool is_meant(const struct command *c, const char *line)
{
	size_t len = strlen(c->words);

	return c->words[len - 1] == ' ' ? strncmp(line, c->words, len) == 0 : strcmp(line, c->words) == 0;
}

void commands_obey(void *arg, struct control_client *client, char *line)
{
	for (size_t i = 0; i < array_size(commands); i++) {
		if (is_meant(&commands[i], line)) {
			commands[i].run(arg, client, line + strlen(commands[i].words));
			return;
		}
	}
	control_answer(client, document_error(DOCUMENT_FAILED, "That command is not known: say status, drain, reload, "
	                                                       "revoke and a name, penalties, or penalties clear."));
}

void commands_gone(void *arg, struct control_client *client)
{
	struct run *run = arg;

	question_withdraw(&run->questions, client);
}
