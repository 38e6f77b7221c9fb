#include "ping_screen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "text.h"
#include "words.h"

#define ROWS_MOST     12 /* of bars */
#define ROWS_LEAST    2
#define LINES_BESIDE  4 /* the axis, the figures, the cursor's line, and one of what scrolls */
#define COLUMNS_LEAST 24
#define COLUMNS_USUAL 80
#define LINES_USUAL   24

bool ping_screen_can(FILE *f)
{
	const char *term = getenv("TERM");

	return isatty(fileno(f)) && term && *term && strcmp(term, "dumb") != 0;
}

static void measure(struct ping_screen *s)
{
	struct winsize size = {0};

	if (ioctl(fileno(s->f), TIOCGWINSZ, &size) < 0 || size.ws_col == 0 || size.ws_row == 0)
		size = (struct winsize){.ws_col = COLUMNS_USUAL, .ws_row = LINES_USUAL};
	s->columns = size.ws_col;
	s->lines = size.ws_row;
}

int ping_screen_open(struct ping_screen *s, FILE *f)
{
	*s = (struct ping_screen){.block = open_memstream(&s->text, &s->text_len)};
	if (!s->block)
		return -errno;
	s->f = f;
	measure(s);
	return 0;
}

void ping_screen_close(struct ping_screen *s)
{
	if (s->f)
		fputs("\r\033[K", s->f); /* what was typed beneath, as ^C */
	if (s->block)
		fclose(s->block);
	free(s->text);
	*s = (struct ping_screen){0};
}

/* Lines of the terminal that the picture takes by now: a terminal that became narrower has folded the wider ones. */
static unsigned lines_above(const struct ping_screen *s)
{
	unsigned lines = 0;

	for (unsigned i = 0; i < s->drawn; i++)
		lines += s->width[i] > s->columns ? (s->width[i] + s->columns - 1) / s->columns : 1;
	return lines;
}

/* Puts the cursor where the picture begins. */
static void go_up(struct ping_screen *s, FILE *f)
{
	fputc('\r', f);
	if (s->drawn > 0)
		fprintf(f, "\033[%uA", lines_above(s));
	s->drawn = 0;
}

/* Even, so that the middle has its label; 0: no room for bars. */
static unsigned rows_of(const struct ping_screen *s)
{
	unsigned half = s->lines / 2, room = s->lines > LINES_BESIDE ? s->lines - LINES_BESIDE : 0;
	unsigned rows = half < room ? half : room;

	if (rows < ROWS_LEAST || s->columns < COLUMNS_LEAST)
		return 0;
	return rows < ROWS_MOST ? rows / 2 * 2 : ROWS_MOST;
}

static void end_line(struct ping_screen *s, unsigned width)
{
	fputs("\033[K\n", s->block);
	s->width[s->drawn++] = width;
}

/* As much of the status as a line holds; its characters are a column each. */
static void put_status(struct ping_screen *s, const char *status)
{
	size_t len = strlen(status), at = 0;
	unsigned width = 0, c;

	while (at < len && width + 1 < s->columns) {
		size_t n = text_utf8_char(status + at, len - at, &c);
		at += n ? n : 1;
		width++;
	}
	fwrite(status, 1, at, s->block);
	end_line(s, width);
}

/* Whether this process is in the foreground of it, where it has jobs. */
static bool is_ours(const struct ping_screen *s)
{
	pid_t front = tcgetpgrp(fileno(s->f));

	return front < 0 || front == getpgrp();
}

void ping_screen_draw(struct ping_screen *s, const char *status)
{
	struct chart_look look = {.columns = s->columns - 1, .rows = rows_of(s), .braille = words_are_utf8()};

	if (!is_ours(s))
		return;
	rewind(s->block);
	go_up(s, s->block);
	for (unsigned row = 0; look.rows > 0 && row <= look.rows; row++) {
		chart_put_row(&s->chart, &look, row, s->block);
		end_line(s, look.columns);
	}
	put_status(s, status);
	fputs("\033[J", s->block);
	fflush(s->block);
	fwrite(s->text, 1, s->text_len, s->f);
	fflush(s->f);
}

void ping_screen_hide(struct ping_screen *s)
{
	if (!s->f)
		return;
	go_up(s, s->f);
	fputs("\033[J", s->f);
}

void ping_screen_resize(struct ping_screen *s)
{
	if (s->f)
		measure(s);
}

void ping_screen_enter(struct ping_screen *s)
{
	if (s->f && s->drawn > 0 && s->drawn < PING_SCREEN_LINES)
		s->width[s->drawn++] = 0;
}

void ping_screen_forget(struct ping_screen *s)
{
	s->drawn = 0;
}
