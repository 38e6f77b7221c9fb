#include "reply.h"

#include <assert.h>
#include <string.h>

void reply_init(struct reply *r)
{
	*r = (struct reply){0};
}

static int is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static enum reply_event end_of_line(struct reply *r)
{
	size_t len = r->len - 1; /* without LF */

	if (len > 0 && r->line[len - 1] == '\r')
		len--;
	if (len < 3 || !is_digit(r->line[0]) || !is_digit(r->line[1]) || !is_digit(r->line[2]))
		return REPLY_BAD;
	if (len > 3 && r->line[3] != ' ' && r->line[3] != '-')
		return REPLY_BAD;
	unsigned code =
	    (unsigned)(r->line[0] - '0') * 100 + (unsigned)(r->line[1] - '0') * 10 + (unsigned)(r->line[2] - '0');
	bool goes_on = len > 3 && r->line[3] == '-';
	bool first = r->code == 0;
	if (code < 100 || (!first && code != r->code))
		return REPLY_BAD;
	r->code = code;
	r->text = len > 3 ? 4 : 3;
	r->text_len = len - r->text;
	return goes_on ? REPLY_LINE : REPLY_DONE;
}

enum reply_event reply_feed(struct reply *r, const uint8_t *data, size_t len, size_t *used)
{
	*used = 0;
	if (r->len > 0 && r->line[r->len - 1] == '\n') { /* the line before was whole: begin the next */
		if (!(r->len > 3 && r->line[3] == '-'))
			reply_init(r);
		r->len = 0;
	}
	while (*used < len) {
		if (r->len == sizeof(r->line) || r->total == REPLY_TOTAL_MAX)
			return REPLY_BAD;
		char c = (char)data[(*used)++];
		r->line[r->len++] = c;
		r->total++;
		if (c == '\n')
			return end_of_line(r);
	}
	return REPLY_MORE;
}

const char *reply_text(const struct reply *r, size_t *len)
{
	assert(r->text + r->text_len <= r->len);
	*len = r->text_len;
	return r->line + r->text;
}
