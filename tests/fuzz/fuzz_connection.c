/*
 * Whole connections of the front, from accept to the end, over a kernel in memory: an input is a session. Its first
 * byte is options, and each pair behind it an act: what clients say, take and end, what becomes ready, how time passes,
 * what the keeper answers, what fails. Behind the last act the session is brought to its end. transport.h, client.h and
 * world.h hold what is promised meanwhile.
 */
#include "fuzz.h"

#include <errno.h>

#include "world.h"

struct session {
	const uint8_t *data;
	size_t len;
	struct client *client; /* the one that acts; NULL: none has come */
	bool is_fair;          /* nothing has failed that was not the client's doing */
	bool turns;            /* behind each act comes a turn */
};

static uint8_t next(struct session *s)
{
	if (s->len == 0)
		return 0;
	s->len--;
	return *s->data++;
}

/* ---- what clients do ---- */

#define TOKEN_OF_43 CLIENT_SECRET "-abcdefghijklmnopqrstuvwxyz0123456789"

static const char *const lines[] = {"USER anna\n",
                                    "USER anna\r\nPASS " CLIENT_SECRET " horse\r\n",
                                    "USER anna\nPASS " CLIENT_SECRET " horse\nand what follows\n",
                                    "PASS " CLIENT_SECRET "\n",
                                    "RESUME " TOKEN_OF_43 "\n",
                                    "OPTS TOKEN\r\nRESUME " TOKEN_OF_43 "\r\nbehind it",
                                    "OPTS TOKEN\n",
                                    "OPTS KEEPALIVE OFF\r\n",
                                    "FEAT\n",
                                    "HELP\n",
                                    "NOOP\nNOOP\nNOOP\n",
                                    "QUIT\n",
                                    "\n",
                                    "user boris\npass " CLIENT_SECRET "\n",
                                    "XYZZY\r\n",
                                    "PASS " CLIENT_SECRET " without an end"};
#define LINES (sizeof(lines) / sizeof(lines[0]))

static const struct {
	const char *text;
	size_t len;
} headers[] = {
#define HEADER(text)                                                                                                   \
	{                                                                                                              \
		text, sizeof(text) - 1                                                                                 \
	}
    HEADER("PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n"),
    HEADER("PROXY TCP4 198.51.100.7 198.51.100.1 1 2\r\n"),
    HEADER("PROXY UNKNOWN\r\n"),
    HEADER("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"),
    HEADER("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\1\x7f\0\0\1\0\1\0\2"),
    HEADER("PROXY TCP6 2001:db8::9 2001:db8::1 1 2\r\n"),
    HEADER("PROXY TC"),
    HEADER("GET / HTTP/1.1\r\n\r\n"),
    HEADER(""),
#undef HEADER
};

static void connect_one(struct session *s, uint8_t arg)
{
	size_t header = next(s) % (sizeof(headers) / sizeof(headers[0]));
	struct client *c = world_connect((enum world_listener)(arg % LISTENER_COUNT), arg / LISTENER_COUNT,
	                                 headers[header].text, headers[header].len);

	if (c)
		s->client = c;
}

static void say_line(struct session *s, uint8_t arg)
{
	const char *line = lines[arg % LINES];

	if (client_is_at_line(s->client) || !strstr(line, CLIENT_SECRET))
		client_say(s->client, line, strlen(line));
}

/* Bytes of the input; a secret among them would be one in a wrong place. */
static void say_bytes(struct session *s, uint8_t arg)
{
	size_t n = arg < s->len ? arg : s->len;

	if (n > 0 && !memmem(s->data, n, CLIENT_SECRET, 3))
		client_say(s->client, s->data, n);
	s->data += n;
	s->len -= n;
}

static void set_send_buffer(struct session *s, uint8_t arg)
{
	static const size_t sizes[] = {0, 1, 7, 300, 4096, 60000, 100000, WIRE_OUT_MAX / 2};

	s->client->wire.out_cap = sizes[arg % 8];
	wire_arrive(&s->client->wire, 0); /* an edge */
}

static void client_acts(struct session *s, uint8_t act, uint8_t arg)
{
	struct client *c = s->client;

	switch (act) {
	case 0: say_line(s, arg); break;
	case 1: say_bytes(s, arg); break;
	case 2: client_say_much(c, arg * (size_t)1024 + 1); break;
	case 3: (void)client_take(c, arg == 0 ? SIZE_MAX : arg * (size_t)arg); break;
	case 4: set_send_buffer(s, arg); break;
	case 5: client_end(c, arg % 4 != 1, arg % 4 != 2); break;
	case 6:
		(void)client_take(c, SIZE_MAX);
		wire_reset(&c->wire);
		break;
	case 7:
		c->wire.slow = arg % 2;
		wire_arrive(&c->wire, arg < 2 ? SIZE_MAX / 2 : arg * (size_t)arg);
		break;
	case 8: client_touch(c, arg); break;
	default: break;
	}
}

/* ---- what the keeper does ---- */

static void fill(char *text, size_t cap, const char *with)
{
	size_t len = strlen(with);

	for (size_t i = 0; i < cap; i++)
		text[i] = with[i % len];
}

/* What a keeper in its right mind says. */
static void answer_well(const struct ask *ask, struct verdict *v)
{
	v->answer = ask->kind == ASK_NAME ? ANSWER_KNOWN : ANSWER_IN;
	memcpy(v->name, "anna", sizeof("anna"));
	if (ask->kind == ASK_RESUME || ask->wants_token)
		fill(v->token, sizeof(v->token) - 1, CLIENT_TOKEN);
}

static void answer_anything(struct session *s, struct verdict *v)
{
	uint8_t how = next(s);

	v->answer = how % (DIALOGUE_ANSWER_LAST + 3);
	v->created = how & 0x10;
	v->delay_ms = how & 0x20 ? next(s) * 16U : 0;
	v->retry_s = how;
	v->expires_us = (int64_t)how << (how % 56);
	fill(v->name, how & 0x40 ? sizeof(v->name) : 5, "nobody in particular");
	fill(v->news, how & 0x80 ? sizeof(v->news) : 5, "one thing and another");
	fill(v->token, how & 0x80 ? sizeof(v->token) : 5, CLIENT_TOKEN);
	fill(v->used, sizeof(v->used), "0123456789");
}

static void check_ask(const struct session *s, const struct ask *ask)
{
	(void)s;
	CHECK(ask->name_len <= sizeof(ask->name) && ask->secret_len <= sizeof(ask->secret));
	CHECK(ask->kind >= ASK_NAME && ask->kind <= ASK_RESUME);
	CHECK(ask->kind != ASK_NAME || ask->secret_len == 0);
}

/* Answers the number'th question; an answer may also be nobody's. */
static void keeper_answers(struct session *s, uint8_t arg)
{
	const struct ask *ask = transport_asked(arg % 4);
	struct verdict v = {.id = ask ? ask->id : arg};

	if (ask)
		check_ask(s, ask);
	if (arg < 0xc0 && ask)
		answer_well(ask, &v);
	else
		answer_anything(s, &v);
	if (transport_answer(&v) && ask)
		transport_forget_asked(arg % 4);
}

static void answer_all_well(struct session *s)
{
	for (const struct ask *ask; (ask = transport_asked(0)); transport_forget_asked(0)) {
		struct verdict v = {.id = ask->id};
		check_ask(s, ask);
		answer_well(ask, &v);
		if (!transport_answer(&v))
			return;
	}
}

/* Everybody is well: as far as it goes, everything goes on. */
static void go_on(struct session *s)
{
	for (int i = 0; i < 8; i++) {
		(void)world_settle(); /* a small window takes long */
		answer_all_well(s);
	}
}

/* ---- what happens besides ---- */

static void fail(struct session *s, uint8_t arg)
{
	static const int of_send[] = {EAGAIN, EINTR, ENOBUFS, ENOMEM, ETIMEDOUT, EPIPE, EHOSTUNREACH, EIO};
	static const int of_accept[] = {EMFILE, ECONNABORTED, ENOMEM, EPERM};

	switch (arg % 8) {
	case 0: world_fail(CALL_SEND, of_send[arg / 8 % 8]); break;
	case 1: world_fail(CALL_RECV, arg & 8 ? EINTR : arg & 16 ? ETIMEDOUT : EAGAIN); break;
	case 2: world_fail(CALL_EPOLL_ADD, ENOMEM); break;
	case 3: world_fail(CALL_ACCEPT, of_accept[arg / 8 % 4]); break;
	default: transport_fail_block(arg / 8 % 8U + 1); break;
	}
	s->is_fair = false;
}

static void pass_time(uint8_t arg)
{
	static const unsigned ms[] = {1, 16, 60, 250, 500, 1000, 2000, 4000};

	world_pass_ms(ms[arg % 8]);
}

static void change_link(uint8_t arg)
{
	switch (arg % 5) {
	case 0: transport_link_is(LINK_GOOD); break;
	case 1: transport_link_is(LINK_FULL); break;
	case 2: transport_link_is(LINK_BROKEN); break;
	default: world_new_link(); break;
	}
}

static void world_acts(struct session *s, uint8_t act, uint8_t arg)
{
	switch (act) {
	case 9: connect_one(s, arg); break;
	case 10: (void)world_turn(arg == 0 ? UINT32_MAX : arg); break;
	case 11: pass_time(arg); break;
	case 12: keeper_answers(s, arg); break;
	case 13: change_link(arg); break;
	case 14: world_drain(); break;
	case 15: fail(s, arg); break;
	case 16: world_new_certificate(); break;
	case 17: s->client = world_client(arg); break;
	case 18: s->turns = arg % 2; break;
	case 19: go_on(s); break;
	default: break;
	}
}

/* How often an act comes up where the bytes are random. */
static const uint8_t acts[32] = {0, 0, 0, 0, 1, 1,  2,  2,  2,  3,  3,  4,  4,  5,  6,  7,
                                 8, 9, 9, 9, 9, 10, 10, 11, 12, 12, 13, 14, 15, 17, 19, 19};

static void act(struct session *s)
{
	uint8_t what = next(s), arg = next(s), which = what < 0xe0 ? acts[what % 32] : what % 20;

	if (which >= 9)
		world_acts(s, which, arg);
	else if (s->client && s->client->is_used)
		client_acts(s, which, arg);
	if (s->turns)
		(void)world_turn(UINT32_MAX);
}

/* ---- the end ---- */

static void let_all_flow(void)
{
	for (int i = 0; i < CALL_COUNT; i++)
		transport_fail((enum transport_call)i, 0);
	transport_fail_block(0);
	for (unsigned i = 0; i < WORLD_CLIENTS; i++) {
		struct wire *w = &world_client(i)->wire;
		if (!world_client(i)->is_used)
			continue;
		w->out_cap = WIRE_OUT_MAX / 2;
		w->slow = false;
		wire_arrive(w, WIRE_IN_MAX);
	}
	CHECK(world_settle());
}

/* Whether nothing stands in the way of all bytes' coming back, and of an end that says so. */
static bool is_owed_all(const struct session *s, const struct client *c)
{
	const struct connection *front = world_connection(c);

	return s->is_fair && !world_is_draining() && c->is_used && !c->touched && !c->tls_broken && front &&
	       front->stage == STAGE_ECHO && !c->wire.client_fin && !c->wire.client_reset && !c->wire.server_fin &&
	       !c->was_notified && !c->notified;
}

static void end_one(struct session *s, struct client *c)
{
	bool owed = is_owed_all(s, c);

	if (!c->is_used || c->wire.client_reset)
		return;
	CHECK(!owed || client_has_all(c)); /* without waiting for more */
	client_end(c, true, true);
	CHECK(world_settle());
	if (owed) {
		CHECK(c->sent == c->plain_len && client_has_all(c));
		CHECK(c->ended && c->wire.closed && c->reason == CLOSE_EOF);
		CHECK(!c->session || c->was_notified);
	}
}

/* A keeper that takes questions gets all that there are. */
static void ask_all(struct session *s)
{
	if (!world_has_link())
		return;
	transport_link_is(LINK_GOOD);
	answer_all_well(s);
	world_pass_ms(200); /* a link that could not be watched is tried again */
	CHECK(world_settle());
	CHECK(world_unsent() == 0);
}

/* Each client says that it is done, then time passes, and then whoever is left goes. */
static void wind_up(struct session *s, bool is_polite)
{
	let_all_flow();
	ask_all(s);
	for (unsigned i = 0; is_polite && i < WORLD_CLIENTS; i++)
		end_one(s, world_client(i));
	if (is_polite)
		world_pass_ms(6000);
	let_all_flow();
	for (unsigned i = 0; i < WORLD_CLIENTS; i++) {
		if (world_client(i)->is_used && !world_client(i)->wire.closed)
			wire_reset(&world_client(i)->wire);
	}
	transport_link_is(LINK_BROKEN);
	CHECK(world_settle());
	world_pass_ms(6000); /* those that nobody watches any more */
	CHECK(world_settle());
	CHECK(transport_count(TRANSPORT_LINK) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct session s = {.data = data, .len = len, .is_fair = true, .turns = true};
	uint8_t options = next(&s);

	world_begin((struct world_options){.allow_cleartext = options & 1,
	                                   .limit_local = options & 2,
	                                   .limits_unread = options & 4,
	                                   .has_keeper = !(options & 8)});
	while (s.len > 0)
		act(&s);
	wind_up(&s, !(options & 16));
	world_end();
	return 0;
}

void fuzz_report(void)
{
	const struct world_sums *sums = world_sums();

	printf(
	    "%llu sessions: %llu connections, %llu handshakes, %llu logins, %llu bytes echoed, %llu whole, %llu cut\n",
	    (unsigned long long)sums->sessions, (unsigned long long)sums->connections, (unsigned long long)sums->shaken,
	    (unsigned long long)sums->logged_in, (unsigned long long)sums->echoed, (unsigned long long)sums->whole,
	    (unsigned long long)sums->cut);
}
