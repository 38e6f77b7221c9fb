#include "edit.h"

#include <errno.h>
#include <histedit.h>
#include <langinfo.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "colour.h"
#include "complete.h"
#include "history.h"
#include "program.h"
#include "rows.h"
#include "status.h"
#include "tty.h"
#include "typing.h"
#include "wide.h"
#include "words.h"

#define PROMPT       L"> "
#define PROMPT_DIM   L"\1" COLOUR_DIM "\1>\1" COLOUR_OFF "\1 " /* \1 stands around what takes no room: EL_PROMPT_ESC */
#define PROMPT_WIDTH 2
#define PASTE_GAP_MS 200 /* a terminal that sends no more of a paste for so long has no more */

struct edit {
	struct input input; /* the first, so that one is the other */
	EditLine *el;
	HistoryW *past;
	FILE *nowhere; /* where libedit's own complaints go */
	bool editing;  /* el_wgets is under way */
	bool shown;    /* and its line is on the screen */
	bool ended, stopped;
	wchar_t key;         /* the last one, */
	size_t end_len;      /* and the line's length then, where the cursor was at its end */
	bool history_failed; /* said once */
	char *line;          /* that was given last */
	struct typing typing;
};

static struct edit *of(struct input *in)
{
	return (struct edit *)(void *)in;
}

static struct edit *of_el(EditLine *el)
{
	struct input *in = NULL;

	el_wget(el, EL_CLIENTDATA, &in);
	return of(in);
}

static wchar_t *prompt(EditLine *el)
{
	static wchar_t plain[] = PROMPT, dim[] = PROMPT_DIM;

	(void)el;
	return colour_is_wanted() ? dim : plain;
}

/* ---- the line on the screen ---- */

/* Wipes it off, from a row that is so many below its first. */
static void wipe(struct edit *e, int rows)
{
	putchar('\r');
	if (rows > 0)
		printf("\033[%dA", rows);
	fputs("\033[J", stdout);
	e->shown = false;
}

static void hide(struct input *in)
{
	struct edit *e = of(in);

	if (e->editing && e->shown)
		wipe(e, rows_above_cursor(e->el, PROMPT_WIDTH));
	fflush(stdout);
}

#define COLUMNS_MIN      8
#define COLUMNS_MIN_TEXT L"8"

/* On fewer columns than some characters take nobody edits, and libedit's rows are not what rows.h takes them for. */
static void take_size(struct edit *e)
{
	int columns = 0;

	el_resize(e->el);
	if (el_get(e->el, EL_GETTC, "co", &columns) == 0 && columns < COLUMNS_MIN)
		el_wset(e->el, EL_SETTC, L"co", COLUMNS_MIN_TEXT, NULL);
}

/*
 * After a change of size some terminals have wrapped the line anew, and some have not: what is wiped is what is surely
 * its own.
 */
static void take_news(struct edit *e)
{
	struct tty_news news = tty_take_news();

	if (!news.resized)
		return;
	int before = rows_above_cursor(e->el, PROMPT_WIDTH);
	take_size(e);
	int now = rows_above_cursor(e->el, PROMPT_WIDTH);
	if (news.was_away)
		e->shown = false;
	if (e->editing && e->shown)
		wipe(e, now < before ? now : before);
}

static void show(struct input *in, bool is_idle)
{
	struct edit *e = of(in);

	(void)is_idle;
	take_news(e);
	if (!e->editing || e->shown)
		return;
	el_wset(e->el, EL_REFRESH);
	e->shown = true;
}

/* ---- characters for libedit ---- */

static void insert_pasted(struct edit *e)
{
	wchar_t *text = wide_from_bytes(e->typing.pasted, e->typing.pasted_len);

	hide(&e->input);
	if (text && *text)
		(void)el_winsertstr(e->el, text);
	free(text);
	show(&e->input, true);
}

static void read_typed(struct input *in)
{
	struct edit *e = of(in);
	uint8_t *at;
	size_t room = typing_room(&e->typing, &at);
	ssize_t n = read(STDIN_FILENO, at, room);

	if (n > 0)
		typing_put(&e->typing, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		e->ended = true;
}

/* Whether the key before this one was a character that now stands at the line's end, with the cursor behind it. */
static bool is_going_on(struct edit *e, wchar_t key)
{
	const LineInfoW *line = el_wline(e->el);
	size_t len = (size_t)(line->lastchar - line->buffer), len_before = e->end_len;
	bool at_end = line->cursor == line->lastchar;
	wchar_t key_before = e->key;

	e->end_len = at_end ? len : SIZE_MAX / 2;
	e->key = key;
	return at_end && len == len_before + 1 && line->cursor[-1] == key_before;
}

/*
 * libedit 3.1 loses count of its rows, and in the end writes beyond them (re_fastputc), where a line is higher than the
 * screen and the cursor is moved in it, or where one ends in a character of no width: there it is shown anew before the
 * next key.
 */
static void mend(struct edit *e, wchar_t key)
{
	const LineInfoW *line = el_wline(e->el);
	bool is_narrow = line->cursor > line->buffer && wcwidth(line->cursor[-1]) == 0;
	bool goes_on = is_going_on(e, key);

	if (!is_narrow && (goes_on || !rows_are_many(e->el, PROMPT_WIDTH)))
		return;
	hide(&e->input);
	show(&e->input, true);
}

/* As libedit wants it (EL_GETCFN): 1 with a character, or 0, which ends the line. */
static int next_char(EditLine *el, wchar_t *c)
{
	struct edit *e = of_el(el);
	const struct input_owner *owner = &e->input.owner;

	for (;;) {
		switch (typing_next(&e->typing, c)) {
		case TYPING_CHAR:
			show(&e->input, true); /* something may have been written since */
			mend(e, *c);
			return 1;
		case TYPING_TEXT: insert_pasted(e); continue;
		case TYPING_BLOCK: owner->pasted(owner->context, e->typing.pasted, e->typing.pasted_len); continue;
		case TYPING_MORE: break;
		}
		if (e->ended)
			return 0;
		if (!owner->wait(owner->context)) {
			e->stopped = true;
			return 0;
		}
	}
}

static enum input_got end_of_input(struct edit *e)
{
	if (e->stopped)
		return INPUT_STOPPED;
	fputs("\n", stdout);
	return INPUT_END;
}

static enum input_got next(struct input *in, const char **text, size_t *len)
{
	struct edit *e = of(in);
	int count;

	free(e->line);
	e->line = NULL;
	e->editing = e->shown = true;
	const wchar_t *line = el_wgets(e->el, &count);
	e->editing = e->shown = false;
	if (!line || count <= 0 || e->stopped || e->ended)
		return end_of_input(e);
	e->line = wide_to_bytes(line, (size_t)count, len);
	if (!e->line)
		return INPUT_END;
	*text = e->line;
	return INPUT_LINE;
}

/* ---- history ---- */

static void enter(void *context, const char *line, size_t len)
{
	struct edit *e = context;
	wchar_t *wide = wide_from_bytes(line, len);
	HistEventW event;

	if (wide)
		history_w(e->past, &event, H_ENTER, wide);
	free(wide);
}

static void say_history_failed(struct edit *e, int err)
{
	char *path = program_user_state_dir(ECHOC);

	if (!e->history_failed)
		program_say(ECHOC, _("cannot keep the history in %s: %s: see to that folder, or do without."),
		            path ? path : "~", words_error(-err));
	e->history_failed = true;
	free(path);
}

static void remember(struct input *in, const char *line, size_t len)
{
	struct edit *e = of(in);

	enter(e, line, len);
	int err = history_add(line, len);
	if (err)
		say_history_failed(e, err);
}

/* ---- opening and closing ---- */

static void lend(struct input *in, bool is_lent)
{
	(void)in;
	if (is_lent)
		tty_lend();
	else
		tty_take_back();
}

static const sigset_t *mask(struct input *in)
{
	(void)in;
	return tty_mask();
}

static void destroy(struct edit *e)
{
	if (e->el)
		el_end(e->el);
	if (e->past)
		history_wend(e->past);
	if (e->nowhere)
		fclose(e->nowhere);
	free(e->line);
	free(e);
}

/* Where the talk ended in the middle of a paste: the shell would take the rest for commands. */
static void swallow_paste(struct edit *e)
{
	struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
	wchar_t c;

	for (;;) {
		while (e->typing.pasting && typing_next(&e->typing, &c) != TYPING_MORE)
			;
		if (!e->typing.pasting || e->ended || poll(&p, 1, PASTE_GAP_MS) <= 0)
			return;
		read_typed(&e->input);
	}
}

static void close_edit(struct input *in)
{
	swallow_paste(of(in));
	destroy(of(in));
	tty_close();
}

static const struct {
	const wchar_t *key, *function;
} keys[] = {
    {L"^I", L"complete-command"},
    {L"^R", L"em-inc-search-prev"},
    {L"^W", L"ed-delete-prev-word"},
    /* What terminals send for Home, Delete and End beside what their descriptions say, and with Ctrl an arrow. */
    {L"\033[1~", L"ed-move-to-beg"},
    {L"\033[3~", L"ed-delete-next-char"},
    {L"\033[4~", L"ed-move-to-end"},
    {L"\033[1;5C", L"em-next-word"},
    {L"\033[1;5D", L"ed-prev-word"},
};

static void set_up(struct edit *e)
{
	HistEventW event;

	el_wset(e->el, EL_CLIENTDATA, &e->input);
	take_size(e);
	el_wset(e->el, EL_GETCFN, next_char);
	el_wset(e->el, EL_PROMPT_ESC, prompt, L'\1');
	el_wset(e->el, EL_EDITOR, L"emacs");
	el_wset(e->el, EL_ADDFN, L"complete-command", L"Completes a command", complete_command);
	for (size_t i = 0; i < array_size(keys); i++)
		el_wset(e->el, EL_BIND, keys[i].key, keys[i].function, NULL);
	/* Between two lines, too, the terminal shows nothing by itself: what is typed then is read with the next. */
	el_wset(e->el, EL_SETTY, L"-x", L"-icanon", L"-echo", NULL);
	/* Some terminals paste LF as LF, of which libedit would have CR made. */
	el_wset(e->el, EL_SETTY, L"-d", L"-inlcr", NULL);
	history_w(e->past, &event, H_SETSIZE, HISTORY_LINES);
	history_w(e->past, &event, H_SETUNIQUE, 1);
	el_wset(e->el, EL_HIST, history_w, e->past);
}

/* Whether the terminal does what wipe() asks of it: goes so many rows up, and wipes off, as ANSI has it (ECMA-48). */
static bool is_able(EditLine *el)
{
	char *up = NULL, *wipes = NULL;

	return el && el_get(el, EL_GETTC, "UP", &up) == 0 && up && strncmp(up, "\033[", 2) == 0 &&
	       el_get(el, EL_GETTC, "cd", &wipes) == 0 && wipes && strncmp(wipes, "\033[J", 3) == 0;
}

struct input *edit_open(const struct input_owner *owner)
{
	static const struct input_way way = {.next = next,
	                                     .read = read_typed,
	                                     .hide = hide,
	                                     .show = show,
	                                     .remember = remember,
	                                     .lend = lend,
	                                     .mask = mask,
	                                     .close = close_edit};
	const char *term = getenv("TERM");

	if (!term || !*term || strcmp(term, "dumb") == 0 || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
		return NULL;
	struct edit *e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->input = (struct input){.way = &way, .owner = *owner};
	e->nowhere = fopen("/dev/null", "we");
	e->past = history_winit();
	if (e->nowhere && e->past)
		e->el = el_init(ECHOC, stdin, stdout, e->nowhere);
	if (!is_able(e->el) || tty_open()) {
		destroy(e);
		return NULL;
	}
	set_up(e);
	int err = history_load(enter, e);
	if (err)
		say_history_failed(e, err);
	return &e->input;
}
