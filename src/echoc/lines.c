#include "lines.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "colour.h"
#include "text.h"
#include "words.h"

void lines_init(struct lines *l, struct exchange *exchange)
{
	l->exchange = exchange;
	l->first = l->count = 0;
	histogram_init(&l->round_trips);
}

bool lines_have_room(const struct lines *l)
{
	return l->count < LINES_MAX && exchange_room(l->exchange) >= LINES_BYTES_MAX;
}

void lines_send(struct lines *l, const char *text, size_t len)
{
	struct line *line = &l->ring[(l->first + l->count++) % LINES_MAX];

	line->begin = l->exchange->filled;
	exchange_put(l->exchange, text, len);
	line->end = l->exchange->filled;
	line->typed_ns = clock_now_ns();
}

bool lines_are_back(const struct lines *l)
{
	return l->count > 0 && l->ring[l->first].end <= l->exchange->echoed;
}

/* Takes len bytes that came back out of the exchange. */
static void take(struct lines *l, size_t len)
{
	const uint8_t *at;
	char *text = l->text;

	while (len > 0) {
		size_t n = exchange_echoed_at(l->exchange, &at);
		if (n > len)
			n = len;
		memcpy(text, at, n);
		exchange_taken(l->exchange, n);
		text += n;
		len -= n;
	}
}

static void show(struct lines *l, const char *text, size_t len)
{
	text_escape_utf8(l->shown, sizeof(l->shown), text, len);
	fputs(l->shown, stdout);
}

/* A block has lines' ends within: it is shown as it looks. */
static void show_text(struct lines *l, size_t len)
{
	const char *text = l->text, *lf;

	if (len > 0 && text[len - 1] == '\n')
		len--;
	while ((lf = memchr(text, '\n', len))) {
		size_t n = (size_t)(lf - text);
		show(l, text, n);
		putchar('\n');
		text += n + 1;
		len -= n + 1;
	}
	show(l, text, len);
}

void lines_show(struct lines *l, uint64_t now_ns)
{
	const struct line *line = &l->ring[l->first];
	size_t len = (size_t)(line->end - line->begin);
	uint64_t ns = now_ns - line->typed_ns;

	take(l, len);
	show_text(l, len);
	fputs(l->colour ? COLOUR_DIM : "", stdout);
	printf(_("   %.2f ms"), (double)ns / 1e6);
	puts(l->colour ? COLOUR_OFF : "");
	histogram_add(&l->round_trips, ns);
	l->first = (l->first + 1) % LINES_MAX;
	l->count--;
}
