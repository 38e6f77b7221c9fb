/*
 * The client's end of the login dialogue, under any bytes of a server, cut anywhere: 8 bytes of lengths of the pieces,
 * used in turn, then what the server sends.
 */
#include "fuzz.h"

#include <string.h>

#include "must.h"
#include "reply.h"

#define TURN 8

struct run {
	struct reply reply;
	uint64_t sum;
	unsigned code;
	size_t total; /* bytes of the reply under way */
	size_t line;  /* and of its line */
};

static void note(struct run *r, const void *bytes, size_t len)
{
	r->sum = fuzz_sum(r->sum, bytes, len);
}

/* end: behind the last byte that was used, in the server's text. */
static void check_whole_line(struct run *r, enum reply_event event, const uint8_t *end)
{
	size_t len;
	const char *text = reply_text(&r->reply, &len);

	CHECK(end[-1] == '\n');
	CHECK(r->line <= WIRE_LINE_MAX && r->total <= REPLY_TOTAL_MAX);
	CHECK(memcmp(r->reply.line, end - r->line, r->line) == 0);
	CHECK(r->reply.code >= 100 && r->reply.code <= 999);
	CHECK(r->code == 0 || r->code == r->reply.code);
	CHECK(text >= r->reply.line && text + len <= r->reply.line + sizeof(r->reply.line));
	CHECK(!memchr(text, '\n', len) && len + 3 < r->line);
	CHECK((event == REPLY_LINE) == (end[3 - (ptrdiff_t)r->line] == '-'));
	r->code = event == REPLY_LINE ? r->reply.code : 0;
	if (event == REPLY_DONE)
		r->total = 0;
	r->line = 0;
	note(r, &r->reply.code, sizeof(r->reply.code));
	note(r, text, len);
}

static uint64_t run(const uint8_t *cuts, const uint8_t *text, size_t text_len)
{
	struct run r = {.sum = FUZZ_SUM_START};
	enum reply_event event = REPLY_MORE;
	unsigned pieces = 0;

	reply_init(&r.reply);
	for (size_t at = 0, used; at < text_len && event != REPLY_BAD; at += used) {
		size_t n = text_len - at;
		if (cuts && n > cuts[pieces % TURN])
			n = cuts[pieces % TURN] + 1U;
		n = n > text_len - at ? text_len - at : n;
		pieces++;
		event = reply_feed(&r.reply, text + at, n, &used);
		CHECK(used <= n && (used > 0 || event == REPLY_BAD));
		CHECK(event != REPLY_MORE || used == n);
		r.line += used;
		r.total += used;
		uint8_t byte = (uint8_t)event;
		if (event != REPLY_MORE)
			note(&r, &byte, 1);
		if (event == REPLY_LINE || event == REPLY_DONE)
			check_whole_line(&r, event, text + at + used);
		CHECK(r.line <= WIRE_LINE_MAX && r.total <= REPLY_TOTAL_MAX);
	}
	return r.sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < TURN)
		return 0;
	CHECK(run(data, data + TURN, len - TURN) == run(NULL, data + TURN, len - TURN));
	return 0;
}
