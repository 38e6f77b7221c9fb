#include "typed.h"

#include <stdbool.h>
#include <string.h>

#include "must.h"
#include "words.h"

/* A name that ends in a blank stands before a text. Each is known in every language: none means two things. */
static const struct command {
	const char *name;
	enum typed_kind kind;
} commands[] = {
    {"/help", TYPED_HELP},           {"/stats", TYPED_STATS},
    {"/reconnect", TYPED_RECONNECT}, {"/trace", TYPED_TRACE},
    {"/say ", TYPED_TEXT},           {"/exit", TYPED_LEAVE},
    {"/quit", TYPED_LEAVE},          {"/помощь", TYPED_HELP},
    {"/статистика", TYPED_STATS},    {"/переподключить", TYPED_RECONNECT},
    {"/трассировка", TYPED_TRACE},   {"/скажи ", TYPED_TEXT},
    {"/выход", TYPED_LEAVE},
};

const char *typed_help(void)
{
	/* TRANSLATORS: echoc also knows /помощь /статистика /переподключить /трассировка /скажи /выход. */
	return _("What you type is sent, and shown again when it has come back.\n"
	         "  exit, /exit, /quit, Ctrl-D   leave\n"
	         "  /say TEXT                    send TEXT, whatever it is\n"
	         "  //TEXT                       send /TEXT\n"
	         "  /stats                       what was sent and came back, and how long it took\n"
	         "  /reconnect                   end the connection and make it anew\n"
	         "  /trace                       show what is said on the connection, or no more\n"
	         "  /help                        this\n");
}

static bool begins(const char *line, size_t len, const char *word)
{
	size_t n = strlen(word);

	return len >= n && memcmp(line, word, n) == 0;
}

static size_t without_blanks(const char *line, size_t len)
{
	while (len > 0 && line[len - 1] == ' ')
		len--;
	return len;
}

/* With nothing behind it, /say sends an empty line. */
static bool is_command(const char *line, size_t len, const struct command *c)
{
	size_t n = strlen(c->name);

	if (c->kind == TYPED_TEXT)
		return begins(line, len, c->name) || (len == n - 1 && memcmp(line, c->name, len) == 0);
	return begins(line, len, c->name) && without_blanks(line, len) == n;
}

enum typed_kind typed_read(const char *line, size_t len, size_t *from)
{
	*from = 0;
	if (len == 4 && begins(line, len, "exit"))
		return TYPED_LEAVE;
	if (!begins(line, len, "/"))
		return TYPED_TEXT;
	if (begins(line, len, "//")) {
		*from = 1;
		return TYPED_TEXT;
	}
	for (size_t i = 0; i < array_size(commands); i++) {
		size_t n = strlen(commands[i].name);
		if (!is_command(line, len, &commands[i]))
			continue;
		*from = n < len ? n : len;
		return commands[i].kind;
	}
	return TYPED_UNKNOWN;
}

const char *typed_complete(const char *begun, size_t len, unsigned *at)
{
	while (*at < array_size(commands)) {
		const char *name = commands[(*at)++].name;
		if (strncmp(name, begun, len) == 0 && (len > 1 || !(name[1] & 0x80)))
			return name;
	}
	return NULL;
}
