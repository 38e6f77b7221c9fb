#include "tty.h"

#include <errno.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "typing.h"

static const int endings[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
#define ENDINGS (sizeof(endings) / sizeof(endings[0]))

/* Handlers see nothing else: how it was before; and, while it is lent, how it was just then. */
static struct termios before, lent;
static struct sigaction stop_before, resize_before, ending_before[ENDINGS];
static sigset_t mask_before;
static volatile sig_atomic_t resized, was_away, pastes;

static void write_all(const char *text)
{
	(void)!write(STDOUT_FILENO, text, strlen(text));
}

static void switch_paste(bool on)
{
	pastes = on;
	write_all(on ? TYPING_PASTE_ON : TYPING_PASTE_OFF);
}

/* In the background the terminal is another's: to touch it would stop the process. */
static void end_process(int number)
{
	if (tcgetpgrp(STDIN_FILENO) == getpgrp()) {
		if (pastes)
			write_all(TYPING_PASTE_OFF "\n");
		tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
	}
	_exit(128 + number);
}

static void note_resize(int number)
{
	(void)number;
	resized = 1;
}

static void install(int number, void (*handler)(int), struct sigaction *old)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_NODEFER};

	sigaction(number, &action, old);
}

/* Stops as if nobody had caught it. Behind it the size is told anew, which also ends a wait. */
static void stop_process(int number)
{
	struct termios now;
	int kept = errno;

	tcgetattr(STDIN_FILENO, &now);
	if (pastes)
		write_all(TYPING_PASTE_OFF);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
	sigaction(number, &stop_before, NULL);
	raise(number);
	install(number, stop_process, NULL);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &now);
	if (pastes)
		write_all(TYPING_PASTE_ON);
	was_away = 1;
	raise(SIGWINCH);
	errno = kept;
}

int tty_open(void)
{
	sigset_t resize;

	if (tcgetattr(STDIN_FILENO, &before) < 0)
		return -errno;
	for (size_t i = 0; i < ENDINGS; i++)
		install(endings[i], end_process, &ending_before[i]);
	install(SIGTSTP, stop_process, &stop_before);
	sigemptyset(&resize);
	sigaddset(&resize, SIGWINCH);
	sigprocmask(SIG_BLOCK, &resize, &mask_before);
	install(SIGWINCH, note_resize, &resize_before);
	switch_paste(true);
	return 0;
}

void tty_close(void)
{
	switch_paste(false);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
	sigaction(SIGWINCH, &resize_before, NULL);
	sigprocmask(SIG_SETMASK, &mask_before, NULL);
	sigaction(SIGTSTP, &stop_before, NULL);
	for (size_t i = 0; i < ENDINGS; i++)
		sigaction(endings[i], &ending_before[i], NULL);
}

/* Lines are cut by who asks for one: a terminal that waits for the end of a line drops what does not fit into 4 KiB. */
void tty_lend(void)
{
	struct termios quiet = before;

	switch_paste(false);
	tcgetattr(STDIN_FILENO, &lent);
	quiet.c_lflag &= (tcflag_t) ~(ECHO | ECHONL | ICANON);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &quiet);
}

void tty_take_back(void)
{
	tcsetattr(STDIN_FILENO, TCSADRAIN, &lent);
	switch_paste(true);
}

const sigset_t *tty_mask(void)
{
	return &mask_before;
}

struct tty_news tty_take_news(void)
{
	struct tty_news news = {.resized = resized, .was_away = was_away};

	resized = was_away = 0;
	return news;
}
