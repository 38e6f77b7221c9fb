#include "typing.h"

#include <string.h>

#include "wide.h"

static const char begins[] = "\033[200~", ends[] = "\033[201~";
#define MARK_LEN (sizeof(begins) - 1)

enum match { MATCH_NOT, MATCH_PART, MATCH_WHOLE };

/* Whether mark stands where is to be looked next. */
static enum match match(const struct typing *t, const char *mark)
{
	size_t left = t->len - t->at, n = left < MARK_LEN ? left : MARK_LEN;

	if (n == 0 || memcmp(t->bytes + t->at, mark, n) != 0)
		return MATCH_NOT;
	return n == MARK_LEN ? MATCH_WHOLE : MATCH_PART;
}

size_t typing_room(struct typing *t, uint8_t **at)
{
	t->len -= t->at;
	memmove(t->bytes, t->bytes + t->at, t->len);
	t->at = 0;
	*at = t->bytes + t->len;
	return sizeof(t->bytes) - t->len;
}

void typing_put(struct typing *t, size_t len)
{
	t->len += len;
}

/* What stands in no line: an end of one, or a NUL, at which libedit would end it. */
static bool is_block(const struct typing *t)
{
	return memchr(t->pasted, '\n', t->pasted_len) || memchr(t->pasted, '\r', t->pasted_len) ||
	       memchr(t->pasted, '\0', t->pasted_len);
}

static enum typing_event end_paste(struct typing *t)
{
	bool in_pieces = t->in_pieces;

	t->at += MARK_LEN;
	t->pasting = t->in_pieces = false;
	t->given = true;
	return in_pieces || is_block(t) ? TYPING_BLOCK : TYPING_TEXT;
}

static enum typing_event next_pasted(struct typing *t)
{
	while (t->at < t->len) {
		switch (match(t, ends)) {
		case MATCH_NOT: break;
		case MATCH_PART: return TYPING_MORE;
		case MATCH_WHOLE: return end_paste(t);
		}
		if (t->pasted_len == sizeof(t->pasted)) {
			t->in_pieces = t->given = true;
			return TYPING_BLOCK;
		}
		t->pasted[t->pasted_len++] = (char)t->bytes[t->at++];
	}
	return TYPING_MORE;
}

enum typing_event typing_next(struct typing *t, wchar_t *c)
{
	if (t->given)
		t->pasted_len = 0;
	t->given = false;
	if (t->pasting)
		return next_pasted(t);
	if (t->at == t->len)
		return TYPING_MORE;
	switch (match(t, begins)) {
	case MATCH_NOT: break;
	case MATCH_PART: return TYPING_MORE; /* a lone ESC means nothing to libedit either before the next key */
	case MATCH_WHOLE:
		t->at += MARK_LEN;
		t->pasting = true;
		return next_pasted(t);
	}
	size_t n = wide_next(t->bytes + t->at, t->len - t->at, c);
	t->at += n;
	return n > 0 ? TYPING_CHAR : TYPING_MORE;
}
