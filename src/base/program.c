#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "number.h"
#include "words.h"

#define SENTENCE_MAX 2048

static void (*on_usage)(const char *); /* set once, before anything is parsed */

void program_say(const char *name, const char *fmt, ...)
{
	char text[SENTENCE_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	fprintf(stderr, "%s: %s\n", name, text);
}

void program_on_usage(void (*then)(const char *))
{
	on_usage = then;
}

void program_usage(const char *name, const char *fmt, ...)
{
	char text[SENTENCE_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	fprintf(stderr, "%s: %s\n", name, text);
	fprintf(stderr, _("Try '%s --help'.\n"), name);
	if (on_usage)
		on_usage(text);
	exit(2);
}

uint64_t program_number(const char *name, const char *option, const char *text, uint64_t least, uint64_t most)
{
	uint64_t n = 0;

	if (number_parse(text, least, most, &n))
		program_usage(name, _("%s '%s': give a whole number from %llu to %llu."), option, text,
		              (unsigned long long)least, (unsigned long long)most);
	return n;
}

uint64_t program_duration_ms(const char *name, const char *option, const char *text)
{
	uint64_t ms = 0;

	if (number_parse_duration_ms(text, &ms))
		program_usage(name, _("%s '%s': give a duration of at most a year, like 250ms, 30s or 5m, or off."),
		              option, text);
	return ms;
}

uint64_t program_duration_us(const char *name, const char *option, const char *text, uint64_t most_us)
{
	uint64_t us = 0;

	if (number_parse_duration_us(text, &us) || us > most_us)
		program_usage(name, _("%s '%s': give a duration of at most %llums, like 50us, or off."), option, text,
		              (unsigned long long)most_us / 1000);
	return us;
}

void program_fix_descriptors_but_output(void)
{
	if (fcntl(STDIN_FILENO, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != STDIN_FILENO)
		_exit(1);
	if (fcntl(STDOUT_FILENO, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != STDOUT_FILENO)
		_exit(1);
	program_fix_descriptors();
}

void program_fix_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			_exit(1);
	}
}

int program_write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

void program_keep_secrets(void)
{
	static const struct rlimit none = {0, 0};

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static char *join(const char *folder, const char *between, const char *name)
{
	char *path = NULL;

	return asprintf(&path, "%s%s%s", folder, between, name) < 0 ? NULL : path;
}

/* What belongs to a person, as the XDG base directory specification has it: a relative variable is to be ignored. */
static char *user_dir(const char *variable, const char *under_home, const char *name)
{
	const char *xdg = getenv(variable), *home = getenv("HOME");

	if (xdg && *xdg == '/')
		return join(xdg, "/", name);
	if (!home || !*home) {
		struct passwd *user = getpwuid(getuid());
		home = user ? user->pw_dir : NULL;
	}
	if (!home) {
		errno = ENOENT;
		return NULL;
	}
	return join(home, under_home, name);
}

char *program_user_state_dir(const char *name)
{
	return user_dir("XDG_STATE_HOME", "/.local/state/", name);
}

char *program_user_config_dir(const char *name)
{
	return user_dir("XDG_CONFIG_HOME", "/.config/", name);
}

char *program_state_dir(const char *given)
{
	const char *systemd = getenv("STATE_DIRECTORY");

	if (given)
		return strdup(given);
	if (systemd && *systemd) /* several are parted by colons; the first is ours (systemd.exec(5)) */
		return strndup(systemd, strcspn(systemd, ":"));
	return program_user_state_dir("echod");
}
