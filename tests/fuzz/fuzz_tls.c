/*
 * TLS sessions under any bytes. The first byte is the kind. Below 0xf0 what follows is wire bytes for a session that
 * shakes hands, a server's (even) or a client's (odd), in pieces that each have their length before them: the handshake
 * is never done, and no plain byte comes of it. From 0xf0 on a real client and a real server have shaken hands, and
 * each pair of bytes is an act (low bits of the first: what; its bit 7: who):
 *
 *     0 n  writes n * 64 plain bytes              4 n  the n'th byte on the way to it is changed
 *     1 n  receives n * 16 wire bytes             5 n  n bytes on the way to it are lost
 *     2 n  receives n * 64, reads at most n + 1   6 n  two bytes on the way to it change places
 *     3 n  says close_notify                      7 n  n bytes of noise go to it
 *
 * What comes out is what was written, up to where it was touched; and no end but the other side's is one.
 */
#include "fuzz.h"

#include <errno.h>
#include <stdbool.h>

#include "tls.h"

#define HOST     "localhost"
#define UNIT     64
#define WIRE_MAX (1 << 20)

static struct tls_context *client_context, *server_context;

static void make_contexts(void)
{
	char *key, *certificate, *both, why[TLS_WHY_MAX];
	size_t key_len, certificate_len;

	if (client_context)
		return;
	if (tls_make_key(&key, &key_len) || tls_make_certificate(key, key_len, HOST, 1, &certificate, &certificate_len))
		abort();
	both = malloc(key_len + certificate_len);
	if (!both)
		abort();
	memcpy(both, certificate, certificate_len);
	memcpy(both + certificate_len, key, key_len);
	if (tls_context_open_server(&server_context, both, key_len + certificate_len, why) ||
	    tls_context_open_client(&client_context))
		abort();
	free(key);
	free(certificate);
	free(both);
}

static struct tls *open_side(bool is_client)
{
	struct tls *t;

	if (is_client ? tls_open_client(&t, client_context, HOST, TLS_ALPN_LOGIN)
	              : tls_open_server(&t, server_context, TLS_ALPN_LOGIN))
		abort();
	return t;
}

/* ---- a handshake with anything ---- */

/* Whoever has failed stays so, and says why. */
static void check_failed(struct tls *t)
{
	uint8_t plain[16], wire[TLS_WIRE_MAX(16)];
	struct tls_wire out = {.buf = wire, .cap = sizeof(wire)};
	size_t n = 1;

	CHECK(tls_shake(t, &out) == TLS_FAILED && out.len == 0);
	CHECK(tls_read(t, plain, sizeof(plain), &n) == TLS_FAILED && n == 0);
	CHECK(tls_write(t, "plain", 5, &out) == -EPROTO && out.len == 0);
	CHECK(*tls_why(t) && strcmp(tls_why(t), "nothing has failed") != 0);
}

static void run_wire(bool is_client, const uint8_t *data, size_t len)
{
	static uint8_t wire[TLS_WIRE_MAX(0)];
	struct tls_wire out = {.buf = wire, .cap = sizeof(wire)};
	struct tls *t = open_side(is_client);
	enum tls_result result = is_client ? tls_shake(t, &out) : TLS_MORE;

	while (len > 0 && result == TLS_MORE) {
		size_t n = 1U + data[0] < len ? 1U + data[0] : len - 1;
		uint8_t *piece = malloc(n ? n : 1); /* a byte read beyond it, or kept of it, is seen */
		if (!piece)
			abort();
		memcpy(piece, data + 1, n);
		tls_feed(t, piece, n);
		result = tls_shake(t, &out);
		CHECK(result == TLS_MORE || result == TLS_FAILED);
		if (tls_keep(t))
			abort();
		free(piece);
		data += 1 + n;
		len -= 1 + n;
	}
	CHECK(out.len <= sizeof(wire) / 2); /* some flights, not a flood */
	if (result == TLS_FAILED)
		check_failed(t);
	tls_close(t);
}

/* ---- two that know each other ---- */

struct side {
	struct tls *tls;
	uint64_t wrote, read; /* plain bytes */
	bool ended, heard_end, failed;
	bool touched;        /* what comes to it was changed on the way */
	bool end_came_first; /* before that, the other side's end was on its way */
	uint64_t limit;      /* of the other side's wrote: what came before that */
	size_t at, len;      /* wire bytes on the way to it */
	uint8_t wire[WIRE_MAX];
};

static struct side sides[2];

static struct side *other(const struct side *s)
{
	return &sides[s == sides];
}

static uint8_t plain_at(uint64_t offset)
{
	return (uint8_t)(offset * 131 + (offset >> 8));
}

/* Lets the session write to the way to the other side, if there is room. */
static struct tls_wire way_from(const struct side *s)
{
	struct side *to = other(s);

	return (struct tls_wire){.buf = to->wire + to->len, .cap = WIRE_MAX - to->len};
}

static void shake_hands(void)
{
	enum tls_result result[2] = {TLS_MORE, TLS_MORE};

	for (int turn = 0; result[0] != TLS_DONE || result[1] != TLS_DONE; turn++) {
		struct side *s = &sides[turn % 2];
		struct tls_wire out = way_from(s);
		CHECK(turn < 8);
		if (result[turn % 2] == TLS_DONE)
			continue;
		tls_feed(s->tls, s->wire + s->at, s->len - s->at);
		result[turn % 2] = tls_shake(s->tls, &out);
		CHECK(result[turn % 2] != TLS_FAILED && tls_keep(s->tls) == 0);
		s->at = s->len;
		other(s)->len += out.len;
	}
}

static void open_pair(void)
{
	for (int i = 0; i < 2; i++) {
		memset(&sides[i], 0, offsetof(struct side, wire));
		sides[i].limit = UINT64_MAX;
		sides[i].tls = open_side(i == 0);
	}
	shake_hands();
}

static void write_plain(struct side *s, size_t len)
{
	static uint8_t plain[UNIT * 256];
	struct tls_wire out = way_from(s);

	if (s->ended || s->failed || out.cap < TLS_WIRE_MAX(len))
		return;
	for (size_t i = 0; i < len; i++)
		plain[i] = plain_at(s->wrote + i);
	if (tls_write(s->tls, plain, len, &out)) {
		CHECK(s->touched); /* the last read came to what was touched, and has told of what stood before it */
		s->failed = true;
		return;
	}
	CHECK(out.len <= TLS_WIRE_MAX(len));
	other(s)->len += out.len;
	s->wrote += len;
}

static void say_end(struct side *s)
{
	struct tls_wire out = way_from(s);

	if (s->failed || out.cap < TLS_WIRE_MAX(0) || tls_end(s->tls, &out))
		return;
	other(s)->len += out.len;
	s->ended = true;
}

static void read_plain(struct side *s, size_t cap, bool once)
{
	static uint8_t plain[256];
	enum tls_result result;
	size_t n;

	do {
		result = tls_read(s->tls, plain, cap, &n);
		CHECK(n <= cap && (n > 0) == (result == TLS_DONE));
		CHECK(n == 0 || (!s->heard_end && !s->failed));
		CHECK(s->read + n <= other(s)->wrote && s->read + n <= s->limit);
		for (size_t i = 0; i < n; i++)
			CHECK(plain[i] == plain_at(s->read + i));
		s->read += n;
	} while (result == TLS_DONE && !once);
	CHECK(!tls_pending(s->tls) || result != TLS_MORE);
	s->failed |= result == TLS_FAILED;
	CHECK(!s->failed || s->touched || other(s)->touched); /* nobody fails without a reason */
	if (result == TLS_ENDED) {
		CHECK((s->touched ? s->end_came_first : other(s)->ended) && s->read == other(s)->wrote);
		s->heard_end = true;
	}
}

static void receive(struct side *s, size_t len, size_t cap, bool once)
{
	size_t n = len < s->len - s->at ? len : s->len - s->at;
	uint8_t *piece = malloc(n ? n : 1);

	if (!piece)
		abort();
	memcpy(piece, s->wire + s->at, n);
	s->at += n;
	tls_feed(s->tls, piece, n);
	read_plain(s, cap, once);
	if (tls_keep(s->tls))
		abort();
	free(piece);
}

/* From here on nothing that comes to it is believed; records before that may be. */
static void touch(struct side *s)
{
	if (!s->touched) {
		s->limit = other(s)->wrote;
		s->end_came_first = other(s)->ended;
	}
	s->touched = true;
}

static void change(struct side *s, uint8_t what, uint8_t n)
{
	size_t waits = s->len - s->at, at = waits ? n % waits : 0;
	uint8_t *wire = s->wire + s->at, kept = wire[at];

	if (waits < 2 || s->touched) /* a second change might undo the first */
		return;
	switch (what) {
	case 4: wire[at] ^= (uint8_t)(1U << (n % 8)); break;
	case 5:
		memmove(wire, wire + at, waits - at);
		s->len -= at;
		break;
	default:
		wire[at] = wire[waits / 2];
		wire[waits / 2] = kept;
		break;
	}
	if (what == 5 ? at > 0 : wire[at] != kept)
		touch(s);
}

static void make_noise(struct side *s, uint8_t n)
{
	if (n == 0 || (size_t)n > WIRE_MAX - s->len)
		return;
	memset(s->wire + s->len, n, n);
	s->len += n;
	touch(s);
}

static void act(struct side *s, uint8_t what, uint8_t n)
{
	switch (what) {
	case 0: write_plain(s, n * (size_t)UNIT); break;
	case 1: receive(s, n * (size_t)16, 256, false); break;
	case 2: receive(s, n * (size_t)64, n + 1U, true); break;
	case 3: say_end(s); break;
	case 7: make_noise(s, n); break;
	default: change(s, what, n); break;
	}
}

static void run_pair(const uint8_t *data, size_t len)
{
	open_pair();
	for (size_t i = 0; i + 1 < len; i += 2)
		act(&sides[data[i] >> 7], data[i] % 8, data[i + 1]);
	for (int i = 0; i < 2; i++) {
		struct side *s = &sides[i];
		receive(s, WIRE_MAX, 256, false);
		CHECK(s->touched || s->failed || s->read == other(s)->wrote); /* all of it */
		CHECK(s->touched || s->failed || s->heard_end == other(s)->ended);
	}
	for (int i = 0; i < 2; i++)
		tls_close(sides[i].tls);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 1)
		return 0;
	make_contexts();
	if (data[0] >= 0xf0)
		run_pair(data + 1, len - 1);
	else
		run_wire(data[0] % 2, data + 1, len - 1);
	return 0;
}
