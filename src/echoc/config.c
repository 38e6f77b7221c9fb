#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ask.h"
#include "known_servers.h"
#include "program.h"
#include "status.h"
#include "text.h"
#include "wire.h"
#include "words.h"

#define NAME_MAX_LEN 49 /* libinih cuts a longer one */
#define SHOWN_MAX    256

enum key { KEY_ADDRESS, KEY_USER, KEY_PIN, KEY_PASSWORD, KEYS };

static const char *const keys[KEYS] = {"address", "user", "pin", "password"}; /* the last one is refused */

struct config {
	FILE *file;
	const char *path;
	const char *wanted;
	unsigned line;               /* the one that was read last */
	unsigned section_line;       /* 0: none has begun */
	char section[SHOWN_MAX];     /* fit to show, which a good one is as it is */
	struct config_server server; /* of the section */
	struct address address;      /* the same, taken apart */
	bool given[KEYS];            /* in the section */
	unsigned pin_line;
	bool found;
	struct config_server *out;
};

_Noreturn static void PRINTF_LIKE(3, 4) complain(const struct config *c, unsigned line, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	program_usage(ECHOC, "%s:%u: %s.", c->path, line, text);
}

_Noreturn static void complain_nonsense(const struct config *c, unsigned line)
{
	complain(c, line, _("there is neither [NAME] nor KEY = VALUE here: correct the line"));
}

static bool can_be_name(const char *word)
{
	return *word && !strpbrk(word, ":/") && word[strspn(word, "0123456789")];
}

/* ---- keys ---- */

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* How many letters must be put in, left out or changed to make the one word of the other (Levenshtein). */
static size_t distance(const char *a, const char *b)
{
	size_t row[16], b_len = strlen(b);

	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t corner = row[0];
		row[0] = i + 1;
		for (size_t j = 1; j <= b_len; j++) {
			size_t changed = corner + (a[i] != b[j - 1]);
			corner = row[j];
			row[j] = least(least(row[j], row[j - 1]) + 1, changed);
		}
	}
	return row[b_len];
}

/* A password may go by many names. */
_Noreturn static void refuse_key(const struct config *c, const char *name, enum key nearest)
{
	char shown[SHOWN_MAX];
	bool is_near = distance(name, keys[nearest]) * 2 <= strlen(keys[nearest]); /* adress, usr, passwd */

	text_escape_utf8(shown, sizeof(shown), name, strlen(name));
	if (is_near && nearest == KEY_PASSWORD)
		complain(c, c->line,
		         _("no password stands in this file: take the line out, and give --password-file FILE or set "
		           "ECHOC_PASSWORD"));
	if (is_near)
		complain(c, c->line, _("there is no key '%s': the nearest one is %s"), shown, keys[nearest]);
	complain(c, c->line, _("there is no key '%s': a server has address, user and pin"), shown);
}

static enum key find_key(const struct config *c, const char *name)
{
	enum key best = KEY_ADDRESS;

	for (int k = 1; k < KEYS; k++) {
		if (distance(name, keys[k]) < distance(name, keys[best]))
			best = (enum key)k;
	}
	if (best == KEY_PASSWORD || strcmp(name, keys[best]) != 0)
		refuse_key(c, name, best);
	return best;
}

static void take_address(struct config *c, const char *value, const char *shown)
{
	const char *why;

	if (address_parse(value, WIRE_PORT, &c->address, &why))
		complain(c, c->line, _("'%s' is no address: %s"), shown, _(why));
	why = ask_address_problem(&c->address);
	if (why)
		complain(c, c->line, "'%s': %s", shown, _(why));
	if (!text_copy(c->server.address, sizeof(c->server.address), value))
		complain(c, c->line, _("the address is too long: it has at most %d bytes"), ADDRESS_TEXT_MAX - 1);
}

static void take_user(struct config *c, const char *value)
{
	const char *why = user_problem(value);

	if (why)
		complain(c, c->line, "user: %s", _(why));
	(void)text_copy(c->server.user, sizeof(c->server.user), value); /* user_problem saw that it fits */
}

static void take_pin(struct config *c, const char *value, const char *shown)
{
	if (!known_servers_is_pin(value) || !text_copy(c->server.pin, sizeof(c->server.pin), value))
		complain(c, c->line,
		         _("the pin '%s': give SHA256: and 43 characters of base64, as the server's log shows it"),
		         shown);
	c->pin_line = c->line;
}

/* libinih's. */
static int take(void *user, const char *section, const char *name, const char *value)
{
	struct config *c = user;
	char shown[SHOWN_MAX];

	text_escape_utf8(shown, sizeof(shown), name, strlen(name));
	if (!*section)
		complain(c, c->line, _("'%s' stands before any [NAME]: put the name of the server above it"), shown);
	enum key key = find_key(c, name);
	if (c->given[key])
		complain(c, c->line, _("[%s] has %s twice: take one of them out"), c->section, keys[key]);
	c->given[key] = true;
	text_escape_utf8(shown, sizeof(shown), value, strlen(value));
	switch (key) {
	case KEY_ADDRESS: take_address(c, value, shown); break;
	case KEY_USER: take_user(c, value); break;
	case KEY_PIN: take_pin(c, value, shown); break;
	case KEY_PASSWORD:
	case KEYS: break; /* find_key does not return */
	}
	return 1;
}

/* ---- sections ---- */

static void end_section(struct config *c)
{
	if (c->section_line == 0)
		return;
	if (!c->given[KEY_ADDRESS])
		complain(c, c->section_line, _("[%s] has no address: write address = HOST:PORT below it"), c->section);
	if (c->given[KEY_PIN] && !c->address.tls)
		complain(c, c->pin_line,
		         _("a pin is for a server with TLS: say tls: or raw+tls: before the address of [%s]"),
		         c->section);
	if (strcmp(c->section, c->wanted) != 0)
		return;
	if (c->found)
		complain(c, c->section_line, _("[%s] stands there a second time: take one of them out"), c->section);
	c->found = true;
	*c->out = c->server;
}

static void begin_section(struct config *c, const char *name, size_t len)
{
	end_section(c);
	c->section_line = c->line;
	c->server = (struct config_server){0};
	memset(c->given, 0, sizeof(c->given));
	text_escape_utf8(c->section, sizeof(c->section), name, len);
	if (!can_be_name(c->section))
		complain(c, c->line,
		         _("[%s] could be an address: a name holds no colon and no slash, and not digits alone"),
		         c->section);
	if (len > NAME_MAX_LEN)
		complain(c, c->line, _("[%s] is too long: a name has at most %d bytes"), c->section, NAME_MAX_LEN);
}

/* A line that ends before its LF is too long, the file's last one, or holds a NUL, which would hide the rest of it. */
static void check_line(const struct config *c, const char *line, int cap)
{
	size_t len = strlen(line);

	if ((len > 0 && line[len - 1] == '\n') || feof(c->file))
		return;
	if (len + 1 == (size_t)cap)
		complain(c, c->line, _("the line is too long: at most %d bytes are read"), cap - 3);
	complain_nonsense(c, c->line);
}

/* Takes off what an editor puts at the file's beginning; and blanks, which to libinih mean more of the line before. */
static void trim(char *line, bool is_first)
{
	static const char mark[] = "\xef\xbb\xbf";
	char *begin = line;

	if (is_first && strncmp(line, mark, strlen(mark)) == 0)
		begin += strlen(mark);
	begin += strspn(begin, " \t");
	memmove(line, begin, strlen(begin) + 1);
}

/* libinih's, of whose handler a section without keys is not seen, nor the line. */
static char *read_line(char *line, int cap, void *stream)
{
	struct config *c = stream;

	if (!fgets(line, cap, c->file))
		return NULL;
	c->line++;
	check_line(c, line, cap);
	trim(line, c->line == 1);
	if (*line != '[')
		return line;
	const char *end = strchr(line, ']');
	if (end)
		begin_section(c, line + 1, (size_t)(end - line - 1));
	else
		complain_nonsense(c, c->line);
	return line;
}

/* ---- the file ---- */

/* Who can write there decides whom a password is sent to. */
static void check_owner(const char *path, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		program_usage(ECHOC, _("cannot read %s: %s."), path, words_error(errno));
	if (!S_ISREG(st.st_mode))
		program_usage(ECHOC, _("%s is no regular file: put the names of servers into one, or take it away."),
		              path);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		program_usage(ECHOC,
		              _("%s belongs to somebody else, who could send you anywhere: make it yours, or "
		                "take it away."),
		              path);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		program_usage(ECHOC, _("%s can be written by others, who could send you anywhere: chmod go-w it."),
		              path);
}

/* Returns NULL where there is none. */
static FILE *open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return NULL;
	if (fd < 0)
		program_usage(ECHOC, _("cannot read %s: %s."), path, words_error(errno));
	check_owner(path, fd);
	return fdopen(fd, "r");
}

static void parse(struct config *c)
{
	int wrong = ini_parse_stream(read_line, c, take, c);

	if (ferror(c->file))
		program_usage(ECHOC, _("cannot read %s: %s."), c->path, words_error(errno));
	if (wrong > 0)
		complain_nonsense(c, (unsigned)wrong);
	end_section(c);
}

bool config_find(const char *word, struct config_server *out)
{
	char *folder = can_be_name(word) ? program_user_config_dir("echoc") : NULL;
	char path[4096];

	if (!folder)
		return false;
	snprintf(path, sizeof(path), "%s/config", folder);
	free(folder);
	struct config c = {.path = path, .wanted = word, .out = out, .file = open_file(path)};
	if (!c.file)
		return false;
	parse(&c);
	fclose(c.file);
	return c.found;
}
