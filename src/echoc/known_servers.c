#include "known_servers.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "program.h"
#include "state.h"

#define FILE_NAME  "known_servers"
#define PIN_BEGINS "SHA256:"
#define PIN_DIGITS 43 /* 32 bytes in base64, without the padding */

static bool is_base64(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

static bool is_pin(const char *text, size_t len)
{
	size_t begins = sizeof(PIN_BEGINS) - 1;

	if (len > 0 && text[len - 1] == '=')
		len--;
	if (len != begins + PIN_DIGITS || memcmp(text, PIN_BEGINS, begins) != 0)
		return false;
	for (size_t i = begins; i < len; i++) {
		if (!is_base64(text[i]))
			return false;
	}
	return true;
}

bool known_servers_is_pin(const char *text)
{
	return is_pin(text, strlen(text));
}

void known_servers_name(const struct address *a, char name[KNOWN_SERVERS_NAME_MAX])
{
	struct address bare = {.first = a->first, .last = a->last};

	memcpy(bare.host, a->host, sizeof(bare.host));
	for (char *c = bare.host; *c; c++)
		*c = (char)tolower((unsigned char)*c); /* RFC 4343 */
	address_format(&bare, bare.first, name);
}

/* ---- the file's text ---- */

/* The next word of the line, which ends at end; its length is 0 where there is none. */
static const char *next_word(const char *from, const char *end, size_t *len)
{
	while (from < end && (*from == ' ' || *from == '\t' || *from == '\r'))
		from++;
	const char *word = from;
	while (from < end && *from != ' ' && *from != '\t' && *from != '\r')
		from++;
	*len = (size_t)(from - word);
	return word;
}

/* Whether the line is one for name; its pin then. */
static bool read_line(const char *line, const char *end, const char *name, char pin[TLS_PIN_MAX])
{
	size_t name_len, pin_len;
	const char *first = next_word(line, end, &name_len);
	const char *second = next_word(first + name_len, end, &pin_len);

	if (name_len == 0 || *first == '#' || name_len != strlen(name) || memcmp(first, name, name_len) != 0)
		return false;
	if (!is_pin(second, pin_len))
		return false;
	memcpy(pin, second, pin_len);
	pin[pin_len] = '\0';
	return true;
}

enum known_servers_result known_servers_search(const char *text, size_t len, const char *name, const char *pin,
                                               struct known_servers_match *match)
{
	enum known_servers_result result = KNOWN_SERVERS_NONE;
	const char *end = text + len;
	char found[TLS_PIN_MAX];
	unsigned number = 1;

	for (const char *line = text, *lf; line < end; line = lf + 1, number++) {
		lf = memchr(line, '\n', (size_t)(end - line));
		if (!lf)
			lf = end;
		if (!read_line(line, lf, name, found))
			continue;
		bool same = tls_pin_same(found, pin);
		if (same || result == KNOWN_SERVERS_NONE) {
			match->line = number;
			memcpy(match->pin, found, sizeof(found));
		}
		if (same)
			return KNOWN_SERVERS_SAME;
		result = KNOWN_SERVERS_CHANGED;
	}
	return result;
}

/* ---- the file ---- */

/* The whole text, which the caller frees; none where there is no file. Returns 0 or a negative errno. */
static int read_file(int folder, char **text, size_t *len)
{
	int fd = state_open_file(folder, FILE_NAME, O_RDONLY);

	*text = NULL;
	*len = 0;
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	*text = malloc(KNOWN_SERVERS_FILE_MAX);
	long n = *text ? state_read(fd, *text, KNOWN_SERVERS_FILE_MAX) : -ENOMEM;
	close(fd);
	if (n >= 0) {
		*len = (size_t)n;
		return 0;
	}
	free(*text);
	*text = NULL;
	return (int)n;
}

int known_servers_find(const char *name, const char *pin, enum known_servers_result *result,
                       struct known_servers_match *match)
{
	char *path, *text;
	size_t len;
	int folder = state_open(false, &path);

	snprintf(match->path, sizeof(match->path), "%s/%s", path ? path : "~/.local/state/echoc", FILE_NAME);
	free(path);
	*result = KNOWN_SERVERS_NONE;
	if (folder < 0)
		return folder == -ENOENT ? 0 : folder;
	int err = read_file(folder, &text, &len);
	close(folder);
	if (!err && text)
		*result = known_servers_search(text, len, name, pin, match);
	free(text);
	return err;
}

/* Writes text and one line more beside the file, then puts it in its place. */
static int replace(int folder, const char *text, size_t len, const char *line)
{
	char beside[64];

	snprintf(beside, sizeof(beside), "%s.%d", FILE_NAME, (int)getpid());
	(void)unlinkat(folder, beside, 0); /* of a process that had the same number and was killed */
	int fd = state_open_file(folder, beside, O_WRONLY | O_CREAT | O_EXCL);
	if (fd < 0)
		return fd;
	int err = program_write_all(fd, text, len);
	if (!err && len > 0 && text[len - 1] != '\n')
		err = program_write_all(fd, "\n", 1);
	if (!err)
		err = program_write_all(fd, line, strlen(line));
	if (!err && fsync(fd) < 0)
		err = -errno;
	close(fd);
	if (!err && renameat(folder, beside, folder, FILE_NAME) < 0)
		err = -errno;
	if (err)
		(void)unlinkat(folder, beside, 0);
	else
		(void)fsync(folder);
	return err;
}

static int add_locked(int folder, const char *name, const char *pin)
{
	char line[KNOWN_SERVERS_NAME_MAX + TLS_PIN_MAX + 2], *text;
	struct known_servers_match match;
	size_t len;
	int err = read_file(folder, &text, &len);

	if (err)
		return err;
	enum known_servers_result result =
	    text ? known_servers_search(text, len, name, pin, &match) : KNOWN_SERVERS_NONE;
	switch (result) {
	case KNOWN_SERVERS_NONE:
		snprintf(line, sizeof(line), "%s %s\n", name, pin);
		err = replace(folder, text, len, line);
		break;
	case KNOWN_SERVERS_SAME: break;
	case KNOWN_SERVERS_CHANGED: err = -EEXIST; break;
	}
	free(text);
	return err;
}

int known_servers_add(const char *name, const char *pin)
{
	char *path;
	int folder = state_open(true, &path), err = folder < 0 ? folder : 0;

	free(path);
	if (!err && flock(folder, LOCK_EX) < 0)
		err = -errno;
	if (!err)
		err = add_locked(folder, name, pin);
	if (folder >= 0)
		close(folder); /* and with it goes the lock */
	return err;
}
