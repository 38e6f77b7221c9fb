#include "plain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TYPED_MAX 8192 /* a terminal gives 4095 at most (termios(3)) */

struct plain {
	struct input input; /* the first, so that one is the other */
	bool prompts, prompted;
	bool ended;
	size_t given, len; /* of typed: those from given to len have not been given yet */
	char typed[TYPED_MAX];
};

static struct plain *of(struct input *in)
{
	return (struct plain *)(void *)in;
}

static enum input_got give(struct plain *p, size_t len, enum input_got what, const char **text, size_t *text_len)
{
	*text = p->typed;
	*text_len = p->given = len;
	return what;
}

/* A full buffer without an end of line, and what stands before the end of the input, are no lines. */
static enum input_got next(struct input *in, const char **text, size_t *len)
{
	struct plain *p = of(in);

	p->len -= p->given;
	memmove(p->typed, p->typed + p->given, p->len);
	p->given = 0;
	for (;;) {
		const char *lf = memchr(p->typed, '\n', p->len);
		if (lf)
			return give(p, (size_t)(lf - p->typed) + 1, INPUT_LINE, text, len);
		if (p->len == sizeof(p->typed) || (p->ended && p->len > 0))
			return give(p, p->len, INPUT_TEXT, text, len);
		if (p->ended)
			return INPUT_END;
		if (!in->owner.wait(in->owner.context))
			return INPUT_STOPPED;
	}
}

static void hide(struct input *in)
{
	struct plain *p = of(in);

	if (p->prompted)
		putchar('\n');
	p->prompted = false;
	fflush(stdout);
}

static void show(struct input *in, bool is_idle)
{
	struct plain *p = of(in);

	if (!p->prompts || p->prompted || !is_idle)
		return;
	fputs("> ", stdout);
	p->prompted = true;
}

static void read_typed(struct input *in)
{
	struct plain *p = of(in);
	ssize_t n = read(STDIN_FILENO, p->typed + p->len, sizeof(p->typed) - p->len);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		hide(in);
		p->ended = true;
		return;
	}
	p->prompted = false; /* the person's Enter ended its line */
	p->len += (size_t)n;
}

static void remember(struct input *in, const char *line, size_t len)
{
	(void)in, (void)line, (void)len; /* it has no way to call a line back */
}

static void lend(struct input *in, bool is_lent)
{
	(void)in, (void)is_lent; /* the terminal is as it was all the time */
}

static const sigset_t *mask(struct input *in)
{
	(void)in;
	return NULL;
}

static void close_plain(struct input *in)
{
	free(of(in));
}

struct input *plain_open(const struct input_owner *owner, bool prompts)
{
	static const struct input_way way = {.next = next,
	                                     .read = read_typed,
	                                     .hide = hide,
	                                     .show = show,
	                                     .remember = remember,
	                                     .lend = lend,
	                                     .mask = mask,
	                                     .close = close_plain};
	struct plain *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->input = (struct input){.way = &way, .owner = *owner};
	p->prompts = prompts;
	return (struct input *)(void *)p;
}
