#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "line.h"
#include "program.h"
#include "status.h"
#include "text.h"
#include "words.h"

static volatile sig_atomic_t caught; /* the signal that came while a password was being typed */

static void note_signal(int number)
{
	caught = number;
}

void secret_forget(struct secret *s)
{
	explicit_bzero(s, sizeof(*s));
}

/* What is wrong with it as the argument of PASS. */
enum problem { NO_PROBLEM, EMPTY, TOO_LONG, BAD_BYTES };

static const struct {
	const char *given, *typed;
} sentences[] = {
    [EMPTY] = {N_("the password in %s is empty: put the password alone in its first line."),
               N_("that password is empty: type another, or Ctrl-D to leave.")},
    [TOO_LONG] = {N_("the password in %s is too long for the protocol: put the password alone in its first line."),
                  N_("that password is too long for the protocol: type another, or Ctrl-D to leave.")},
    [BAD_BYTES] = {N_("the password in %s holds a NUL or a CR, which the protocol does not allow: put the password "
                      "alone in its first line."),
                   N_("that password holds a NUL or a CR, which the protocol does not allow: type another, or Ctrl-D "
                      "to leave.")},
};

static enum problem find_problem(const char *text, size_t len)
{
	if (len == 0)
		return EMPTY;
	if (len > WIRE_SECRET_LINE_MAX)
		return TOO_LONG;
	return memchr(text, '\0', len) || memchr(text, '\r', len) ? BAD_BYTES : NO_PROBLEM;
}

static int keep(const char *where, const char *text, size_t len, struct secret *out, char why[SECRET_WHY_MAX])
{
	enum problem problem = find_problem(text, len);

	if (problem) {
		snprintf(why, SECRET_WHY_MAX, _(sentences[problem].given), where);
		return -EINVAL;
	}
	memcpy(out->text, text, len);
	out->text[len] = '\0';
	out->len = len;
	out->known = true;
	return 0;
}

/* Reads up to the first LF, the end, or cap. */
static ssize_t read_first_line(int fd, char *buf, size_t cap)
{
	size_t len = 0;

	while (len < cap && !memchr(buf, '\n', len)) {
		ssize_t n = read(fd, buf + len, cap - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	const char *lf = memchr(buf, '\n', len);
	if (lf)
		len = (size_t)(lf - buf);
	if (lf && len > 0 && buf[len - 1] == '\r')
		len--;
	return (ssize_t)len;
}

static int load_file(const char *file, struct secret *out, char why[SECRET_WHY_MAX])
{
	char buf[WIRE_SECRET_LINE_MAX + 3]; /* one more than fits, and CRLF */
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -errno : read_first_line(fd, buf, sizeof(buf));

	if (fd >= 0)
		close(fd);
	int err = len < 0 ? (int)len : keep(file, buf, (size_t)len, out, why);
	explicit_bzero(buf, sizeof(buf));
	if (len < 0)
		snprintf(why, SECRET_WHY_MAX, _("cannot read the password file %s: %s."), file, words_error((int)-len));
	return err;
}

int secret_load(const char *file, struct secret *out, char why[SECRET_WHY_MAX])
{
	char *given = getenv("ECHOC_PASSWORD");
	int err = 0;

	if (file)
		err = load_file(file, out, why);
	else if (given && *given)
		err = keep("ECHOC_PASSWORD", given, strlen(given), out, why);
	if (given) {
		explicit_bzero(given, strlen(given));
		unsetenv("ECHOC_PASSWORD");
	}
	return err;
}

static int open_terminal(void)
{
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 && isatty(STDIN_FILENO))
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? -errno : fd;
}

bool secret_can_ask(void)
{
	int fd = open_terminal();

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static void prompt(int tty, const char *text)
{
	if (write(tty, text, strlen(text)) < 0)
		(void)!write(STDERR_FILENO, text, strlen(text)); /* standard input may be open for reading only */
}

/* Echo off; Ctrl-Z too, which would leave the shell with a terminal that shows nothing. */
static int hush(int tty, struct termios *before)
{
	if (tcgetattr(tty, before) < 0)
		return -errno;
	struct termios quiet = *before;
	quiet.c_lflag &= (tcflag_t)~ECHO;
	quiet.c_lflag |= ECHONL | ICANON;
	quiet.c_cc[VSUSP] = _POSIX_VDISABLE;
	return tcsetattr(tty, TCSADRAIN, &quiet) < 0 ? -errno : 0;
}

/* Reads a line without echo; signals are held back but for the wait, so that none slips past the restoring. */
static int read_hushed(int tty, const char *text, char *line, size_t cap)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	struct sigaction note = {.sa_handler = note_signal}, before_action[array_size(numbers)];
	struct termios before;
	sigset_t held, before_mask;

	caught = 0;
	sigemptyset(&held);
	for (size_t i = 0; i < array_size(numbers); i++)
		sigaddset(&held, numbers[i]);
	sigprocmask(SIG_BLOCK, &held, &before_mask);
	for (size_t i = 0; i < array_size(numbers); i++)
		sigaction(numbers[i], &note, &before_action[i]);
	int err = hush(tty, &before);
	if (!err) {
		prompt(tty, text);
		err = line_read(tty, line, cap, &before_mask);
		tcsetattr(tty, TCSADRAIN, &before);
	}
	for (size_t i = 0; i < array_size(numbers); i++)
		sigaction(numbers[i], &before_action[i], NULL);
	if (caught) {
		explicit_bzero(line, cap);
		raise(caught); /* delivered when it is no longer held back: it does what it does otherwise */
	}
	sigprocmask(SIG_SETMASK, &before_mask, NULL);
	if (err == -ENODATA)
		prompt(tty, "\n");
	return err;
}

/* One password, asked until it can be one. */
static int ask_one(int tty, const char *text, struct secret *out)
{
	for (;;) {
		int err = read_hushed(tty, text, out->text, sizeof(out->text));
		if (err && err != -E2BIG)
			return err;
		out->len = strlen(out->text);
		enum problem problem = err ? TOO_LONG : find_problem(out->text, out->len);
		if (!problem)
			return 0;
		program_say(ECHOC, "%s", _(sentences[problem].typed));
	}
}

static int ask_new(int tty, const char *user, struct secret *out)
{
	char shown[WIRE_NAME_LINE_MAX * 4 + 1], text[sizeof(shown) + 256];
	struct secret again = {0};
	int err;

	text_escape_utf8(shown, sizeof(shown), user, strlen(user));
	snprintf(text, sizeof(text), _("No account named %s yet. New password: "), shown);
	for (;;) {
		err = ask_one(tty, text, out);
		if (err)
			break;
		if (out->len < WIRE_SECRET_BYTES_MIN || out->len > WIRE_SECRET_BYTES_MAX) {
			program_say(ECHOC,
			            _("a new account's password has %d to %d bytes, and this has %zu: type another."),
			            WIRE_SECRET_BYTES_MIN, WIRE_SECRET_BYTES_MAX, out->len);
			continue;
		}
		err = ask_one(tty, _("The same again: "), &again);
		if (err || (again.len == out->len && memcmp(again.text, out->text, out->len) == 0))
			break;
		program_say(ECHOC, _("the two differ: type the new password again, twice."));
	}
	secret_forget(&again);
	return err;
}

int secret_ask(const char *user, bool creates, struct secret *out)
{
	int tty = open_terminal();

	if (tty < 0)
		return tty;
	secret_forget(out);
	int err = creates ? ask_new(tty, user, out) : ask_one(tty, _("Password: "), out);
	close(tty);
	if (err)
		secret_forget(out);
	else
		out->known = out->typed = true;
	return err;
}

/* In a talk the terminal neither shows what is typed nor cuts it into lines. */
static int read_openly(int tty, const char *question, char *line, size_t cap)
{
	struct termios before, open;
	bool is_known = tcgetattr(tty, &before) == 0;

	if (is_known) {
		open = before;
		open.c_lflag |= ICANON | ECHO;
		tcsetattr(tty, TCSADRAIN, &open);
	}
	prompt(tty, question);
	int err = line_read(tty, line, cap, NULL);
	if (is_known)
		tcsetattr(tty, TCSADRAIN, &before);
	return err;
}

int secret_ask_line(const char *question, char answer[SECRET_ANSWER_MAX])
{
	int tty = open_terminal(), err;

	if (tty < 0)
		return tty;
	do
		err = read_openly(tty, question, answer, SECRET_ANSWER_MAX);
	while (err == -E2BIG);
	close(tty);
	if (err) {
		(void)!write(STDERR_FILENO, "\n", 1);
		return err;
	}
	size_t skip = strspn(answer, " \t\r"), len = strlen(answer + skip);
	memmove(answer, answer + skip, len + 1);
	while (len > 0 && strchr(" \t\r", answer[len - 1]))
		answer[--len] = '\0';
	return 0;
}
