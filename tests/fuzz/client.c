#include "client.h"

#include "counters.h"
#include "fuzz.h"
#include "proxy.h"

static uint8_t flight[TLS_WIRE_MAX(CLIENT_PLAIN_MAX)];

/* ---- what it says ---- */

/* What waits goes to the wire as soon as there is a session, or none is needed. */
static void flush(struct client *c)
{
	struct tls_wire out = {.buf = flight, .cap = sizeof(flight)};
	size_t waits = c->plain_len - c->sent;

	if (!c->session) {
		c->sent += wire_put(&c->wire, c->plain + c->sent, waits);
	} else if (c->shaken && !c->tls_broken && !c->notified && waits > 0 &&
	           WIRE_IN_MAX - c->wire.in_len >= TLS_WIRE_MAX(waits)) {
		CHECK(tls_write(c->session, c->plain + c->sent, waits, &out) == 0);
		c->sent = c->plain_len;
		(void)wire_put(&c->wire, flight, out.len);
	}
}

static void shake(struct client *c)
{
	struct tls_wire out = {.buf = flight, .cap = sizeof(flight)};
	enum tls_result result = tls_shake(c->session, &out);

	(void)wire_put(&c->wire, flight, out.len);
	c->shaken = result == TLS_DONE;
	c->tls_broken |= result == TLS_FAILED;
}

void client_init(struct client *c, bool is_raw, bool is_relayed, struct tls *session)
{
	memset(c, 0, offsetof(struct client, wire));
	wire_init(&c->wire);
	c->is_used = true;
	c->is_raw = is_raw;
	c->is_relayed = is_relayed && !session; /* under TLS the header is no part of what is said */
	c->session = session;
	c->reason = -1;
	if (session && !is_relayed)
		shake(c);
}

void client_fini(struct client *c)
{
	tls_close(c->session);
	c->session = NULL;
	c->is_used = false;
}

void client_say_header(struct client *c, const void *bytes, size_t len)
{
	if (c->session) {
		(void)wire_put(&c->wire, bytes, len);
		shake(c);
	} else {
		client_say(c, bytes, len);
	}
}

bool client_is_at_line(const struct client *c)
{
	return c->plain_len == 0 || c->plain[c->plain_len - 1] == '\n';
}

/* What cannot be sent any more is not said. */
static size_t room(const struct client *c, size_t len)
{
	size_t left = CLIENT_PLAIN_MAX - c->plain_len, in = WIRE_IN_MAX - c->wire.in_len;
	bool is_mute = c->wire.client_fin || c->wire.client_reset || c->notified || c->tls_broken;

	len = len < left ? len : left;
	return is_mute ? 0 : len < in ? len : in;
}

void client_say(struct client *c, const void *bytes, size_t len)
{
	len = room(c, len);
	if (len > 0)
		memcpy(c->plain + c->plain_len, bytes, len);
	c->plain_len += len;
	flush(c);
}

static FUZZ_PLAIN void write_pattern(uint8_t *to, size_t from, size_t end)
{
	for (size_t i = from; i < end; i++)
		to[i] = (uint8_t)(i * 131 + (i >> 8));
}

void client_say_much(struct client *c, size_t len)
{
	len = room(c, len);
	write_pattern(c->plain, c->plain_len, c->plain_len + len);
	c->plain_len += len;
	flush(c);
}

void client_end(struct client *c, bool notify, bool fin)
{
	struct tls_wire out = {.buf = flight, .cap = sizeof(flight)};

	if (notify && c->shaken && !c->tls_broken && !c->notified && c->sent == c->plain_len &&
	    tls_end(c->session, &out) == 0)
		c->notified = wire_put(&c->wire, flight, out.len) > 0;
	if (fin)
		wire_fin(&c->wire);
}

void client_touch(struct client *c, unsigned at)
{
	struct wire *w = &c->wire;

	if (!c->session || w->in_at == w->in_len)
		return;
	w->in[w->in_at + at % (w->in_len - w->in_at)] ^= (uint8_t)(1U << (at % 8));
	c->touched = true;
}

/* ---- what it hears ---- */

/* Where the dialogue begins: behind the header, which must be whole when the server says anything. */
static size_t dialogue_at(const struct client *c)
{
	struct proxy_header header;
	const char *why;

	if (!c->is_relayed)
		return 0;
	CHECK(proxy_parse(c->plain, c->sent, &header, &why) == PROXY_DONE);
	return header.len;
}

static size_t behind_line(const struct client *c, size_t at, unsigned lines)
{
	for (; lines > 0; lines--) {
		const uint8_t *lf = memchr(c->plain + at, '\n', c->sent - at);
		CHECK(lf); /* no answer before the line is there */
		at = (size_t)(lf + 1 - c->plain);
	}
	return at;
}

static void check_reply(const char *line, size_t len)
{
	static const char *const codes[] = {"200", "211", "214", "220", "221", "230", "331", "332",
	                                    "421", "451", "500", "501", "503", "530", "534"};
	bool known = false;

	CHECK(len >= 6 && len <= WIRE_LINE_MAX && (line[3] == ' ' || line[3] == '-'));
	CHECK(line[len - 2] == '\r' && line[len - 1] == '\n');
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		known |= memcmp(line, codes[i], 3) == 0;
	CHECK(known);
	for (size_t i = 0; i + 2 < len; i++)
		CHECK((uint8_t)line[i] >= ' ' && line[i] != 0x7f);
	CHECK(!memmem(line, len, CLIENT_SECRET, strlen(CLIENT_SECRET)));
	CHECK(!memmem(line, len, CLIENT_TOKEN, strlen(CLIENT_TOKEN)) || memcmp(line, "230-TOKEN ", 10) == 0);
}

static void hear_reply(struct client *c, const char *line, size_t len)
{
	size_t begin = dialogue_at(c);

	check_reply(line, len);
	CHECK(!c->over); /* nothing behind a goodbye */
	if (line[3] == '-')
		return;
	bool is_goodbye = memcmp(line, "421", 3) == 0 || memcmp(line, "221", 3) == 0;
	CHECK(c->greeted ? memcmp(line, "220", 3) != 0 : is_goodbye || memcmp(line, "220", 3) == 0);
	c->over = is_goodbye;
	if (!c->greeted || is_goodbye) {
		c->greeted = true;
	} else {
		size_t behind = behind_line(c, begin, ++c->replies);
		c->echoes = memcmp(line, "230", 3) == 0;
		c->echo_at = behind;
	}
}

/* Returns how many of the bytes were replies. */
static size_t hear_replies(struct client *c, const uint8_t *bytes, size_t len)
{
	size_t n = 0;

	while (n < len && !c->echoes) {
		CHECK(c->line_len < CLIENT_LINE_MAX);
		c->line[c->line_len++] = (char)bytes[n++];
		if (c->line[c->line_len - 1] != '\n')
			continue;
		hear_reply(c, c->line, c->line_len);
		c->line_len = 0;
	}
	return n;
}

static void hear(struct client *c, const uint8_t *bytes, size_t len)
{
	if (c->is_raw && !c->echoes && len > 0) {
		c->echo_at = dialogue_at(c);
		c->echoes = true;
	}
	size_t n = hear_replies(c, bytes, len);
	CHECK(c->echo_at + c->echoed + (len - n) <= c->sent);
	CHECK(memcmp(bytes + n, c->plain + c->echo_at + c->echoed, len - n) == 0);
	c->echoed += len - n;
}

static void unwrap(struct client *c, const uint8_t *wire, size_t len)
{
	static uint8_t plain[WIRE_OUT_MAX];
	size_t n;

	tls_feed(c->session, wire, len);
	if (!c->shaken && !c->tls_broken)
		shake(c);
	while (c->shaken && !c->tls_broken) {
		enum tls_result result = tls_read(c->session, plain, sizeof(plain), &n);
		CHECK(!c->was_notified || n == 0);
		hear(c, plain, n);
		if (result == TLS_DONE)
			continue;
		c->was_notified |= result == TLS_ENDED;
		c->tls_broken |= result == TLS_FAILED;
		break;
	}
	if (tls_keep(c->session))
		abort();
	/* Only where we have been tampered with does the server's answer, an alert, end it. */
	flush(c);
}

size_t client_take(struct client *c, size_t len)
{
	static uint8_t taken[WIRE_OUT_MAX];
	size_t n = wire_take(&c->wire, taken, len < sizeof(taken) ? len : sizeof(taken));

	if (n > 0 && c->session)
		unwrap(c, taken, n);
	else if (n > 0)
		hear(c, taken, n);
	c->ended |= wire_has_ended(&c->wire);
	return n;
}

/* ---- the end ---- */

bool client_has_all(const struct client *c)
{
	size_t begin = c->is_raw && !c->echoes ? dialogue_at(c) : c->echo_at;

	return begin + c->echoed == c->sent;
}

void client_judge_end(const struct client *c)
{
	const struct wire *w = &c->wire;
	bool in_echo = c->echoes || c->echoed_at_end;

	CHECK(c->reason != CLOSE_EOF || !c->echoed_at_end || client_has_all(c));
	CHECK(c->reason != CLOSE_TRUNCATED || (c->session && !c->was_notified));
	if (!in_echo || client_has_all(c) || c->session)
		return;
	/* Lost bytes never look like an end, or a reset comes behind it; but a unix socket knows none, nor do two ends.
	 */
	CHECK(!c->ended || !w->eof_before_fin);
	CHECK(!c->ended || w->server_reset || w->client_reset || w->client_fin || w->is_unix);
}
