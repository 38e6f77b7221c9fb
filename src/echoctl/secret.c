#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "name.h"
#include "report.h"
#include "words.h"

/* Cuts the secret at its first line's end. Returns whether there was one. */
static bool cut_line(struct secret *s)
{
	char *end = memchr(s->bytes, '\n', s->len);

	if (!end)
		return false;
	s->len = (size_t)(end - s->bytes);
	if (s->len > 0 && s->bytes[s->len - 1] == '\r')
		s->len--;
	return true;
}

/* The first line of fd without its end; one that is too long is cut where that is sure. Returns 0 or a negative errno.
 */
static int read_line(int fd, struct secret *s)
{
	s->len = 0;
	while (s->len < sizeof(s->bytes)) {
		ssize_t n = read(fd, s->bytes + s->len, sizeof(s->bytes) - s->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		s->len += (size_t)n;
		if (n == 0 || cut_line(s))
			break;
	}
	return 0;
}

static void say(const char *text)
{
	fputs(text, stderr);
	fflush(stderr);
}

/* Lets a signal that came take its effect, which is mostly the end. Returns when the process is continued. */
static void obey(int signals, const sigset_t *normal)
{
	struct signalfd_siginfo info;
	sigset_t blocked;

	if (read(signals, &info, sizeof(info)) != sizeof(info))
		return;
	say("\n");
	sigprocmask(SIG_SETMASK, normal, &blocked);
	raise((int)info.ssi_signo);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
}

/* Waits for a line on the terminal, or for a signal, which is -EINTR. */
static int await_line(int signals, struct secret *s)
{
	struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = signals, .events = POLLIN}};

	while (poll(fds, 2, -1) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return fds[1].revents ? -EINTR : read_line(STDIN_FILENO, s);
}

/* Asks until a line comes, with the echo off only while waiting: a signal finds the terminal as it was. */
static int ask_quietly(const char *prompt, int signals, const sigset_t *normal, struct secret *s)
{
	struct termios before, quiet;
	int err;

	do {
		if (tcgetattr(STDIN_FILENO, &before) < 0)
			return -errno;
		quiet = before;
		quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
		if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) < 0)
			return -errno;
		say(prompt);
		err = await_line(signals, s);
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before); /* and the rest of too long a line goes to no shell */
		if (err == -EINTR)
			obey(signals, normal);
	} while (err == -EINTR);
	say("\n");
	return err;
}

static int ask(const char *prompt, struct secret *s)
{
	sigset_t set, normal;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGTSTP);
	int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0)
		return -errno;
	sigprocmask(SIG_BLOCK, &set, &normal);
	int err = ask_quietly(prompt, signals, &normal, s);
	sigprocmask(SIG_SETMASK, &normal, NULL);
	close(signals);
	return err;
}

static int ask_twice(const struct options *o, const char *name, struct secret *s)
{
	char prompt[NAME_BYTES_MAX + 128];
	struct secret again = {.len = 0};

	snprintf(prompt, sizeof(prompt), _("Password for %s: "), name);
	int err = ask(prompt, s);
	if (!err)
		err = ask(_("The same again: "), &again);
	bool same = s->len == again.len && memcmp(s->bytes, again.bytes, s->len) == 0;
	password_wipe(&again, sizeof(again));
	if (err)
		return report_fail(o->json, REPORT_FAILED,
		                   _("Cannot read a password on the terminal: %s; give it with --password-file."),
		                   words_error(-err));
	if (!same)
		return report_fail(o->json, REPORT_FAILED,
		                   _("The two passwords for %s differ, and nothing was changed; try again."), name);
	return REPORT_DONE;
}

static int read_file(const struct options *o, const char *path, struct secret *s)
{
	bool is_stdin = strcmp(path, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int err = fd < 0 ? -errno : read_line(fd, s);

	if (fd > STDIN_FILENO)
		close(fd);
	if (err)
		return report_fail(o->json, REPORT_FAILED,
		                   _("Cannot read the password from %.300s: %s; name a file that you may read."),
		                   is_stdin ? _("standard input") : path, words_error(-err));
	return REPORT_DONE;
}

static int read_any(const struct options *o, const char *name, struct secret *s)
{
	if (o->password_file)
		return read_file(o, o->password_file, s);
	return isatty(STDIN_FILENO) ? ask_twice(o, name, s) : read_file(o, "-", s);
}

int secret_read(const struct options *o, const char *name, struct secret *s)
{
	int status = read_any(o, name, s);

	if (status != REPORT_DONE || password_acceptable(s->bytes, s->len))
		return status;
	return report_fail(
	    o->json, REPORT_FAILED,
	    _("The password for %s was not taken: it must have %d to %d bytes, and no NUL or CR; choose another."),
	    name, PASSWORD_BYTES_MIN, PASSWORD_BYTES_MAX);
}
