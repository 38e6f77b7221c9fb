#include "world.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "accept.h"
#include "admit.h"
#include "fuzz.h"
#include "worker.h"

#define HOST           "localhost"
#define LOGIN_SLOTS    2
#define CONNECTIONS    5
#define OF_AN_ADDRESS  3
#define ADDRESS_RATE   4
#define UNREAD_BYTES   150000
#define SETTLING_TURNS 300
#define INBOX_TURN     16 /* arrivals */

struct world {
	struct front front;
	struct counters counters;
	struct worker worker;
	struct loop loop; /* the accepting thread's */
	struct acceptor *acceptor;
	struct tls_context *client_tls;
	struct client client[WORLD_CLIENTS];
	uint64_t bytes_in, dropped; /* of the counters, when the session began */
	long blocks;
	uint32_t held_max; /* what a stream may hold */
	unsigned sent_since_turn;
	bool is_plain; /* no client had TLS */
	struct world_sums sums;
};

static struct world world;

void __real_connection_destroy(struct connection *);
void __wrap_connection_destroy(struct connection *);

/* ---- made once ---- */

static void make_tls(void)
{
	char *key, *certificate, *both, why[TLS_WHY_MAX];
	size_t key_len, certificate_len;

	if (tls_make_key(&key, &key_len) || tls_make_certificate(key, key_len, HOST, 1, &certificate, &certificate_len))
		abort();
	both = malloc(key_len + certificate_len);
	if (!both)
		abort();
	memcpy(both, certificate, certificate_len);
	memcpy(both + certificate_len, key, key_len);
	if (tls_context_open_server(&world.front.tls, both, key_len + certificate_len, why) ||
	    tls_context_open_client(&world.client_tls))
		abort();
	free(key);
	free(certificate);
	free(both);
}

static void make_listeners(struct front *f)
{
	static const struct {
		bool raw, tls, relayed;
	} kinds[LISTENER_COUNT] = {[LISTENER_RAW] = {.raw = true},
	                           [LISTENER_TLS] = {.tls = true},
	                           [LISTENER_RAW_TLS] = {.raw = true, .tls = true},
	                           [LISTENER_RELAYED] = {.relayed = true},
	                           [LISTENER_RAW_RELAYED] = {.raw = true, .relayed = true},
	                           [LISTENER_TLS_RELAYED] = {.tls = true, .relayed = true},
	                           [LISTENER_RAW_UNIX] = {.raw = true}};
	const char *why;

	f->config.listeners = LISTENER_COUNT;
	for (int i = 0; i < LISTENER_COUNT; i++) {
		struct order_listener *l = &f->listener[i];
		l->raw = kinds[i].raw;
		l->tls = kinds[i].tls;
		l->idle_ms = kinds[i].raw ? 4000 : 0;
		l->proxy_from.count = kinds[i].relayed;
		if (network_parse("10.0.0.0/8", &l->proxy_from.network[0], &why))
			abort();
		f->listener_fd[i] = transport_open(TRANSPORT_LISTENER);
	}
}

static void make(void)
{
	struct front *f = &world.front;

	if (world.acceptor)
		return;
	f->config = (struct order_config){.workers = 1,
	                                  .login_ms = 3000,
	                                  .stall_ms = 2000,
	                                  .drain_ms = 2500,
	                                  .address_connections = OF_AN_ADDRESS,
	                                  .address_rate = ADDRESS_RATE,
	                                  .login_slots = LOGIN_SLOTS};
	f->counters = &world.counters;
	f->max_connections = CONNECTIONS;
	f->empty_fd = transport_open(TRANSPORT_EVENT);
	memcpy(f->host, HOST, sizeof(HOST));
	make_tls();
	make_listeners(f);
	transport_begin();
	if (admit_open(f) || worker_start(&world.worker, f, 0) || loop_init(&world.loop) ||
	    accept_start(&world.acceptor, &world.loop, f, &world.worker))
		abort();
	transport_end();
}

/* ---- a session ---- */

void world_begin(struct world_options options)
{
	make();
	transport_pass_ms(5000); /* what was remembered of addresses does not count any more */
	world.front.config.allow_cleartext = options.allow_cleartext;
	world.front.config.limit_local = options.limit_local;
	world.front.config.unread_bytes = options.limits_unread ? UNREAD_BYTES : 0;
	world.bytes_in = counters_get(&world.counters.worker[0].bytes_in);
	world.dropped = counters_get(&world.counters.worker[0].bytes_dropped);
	world.blocks = transport_blocks();
	world.is_plain = true;
	world.held_max = STREAM_HELD_MAX;
	world.sums.sessions++;
	(void)world_turn(UINT32_MAX); /* the clock */
	if (options.has_keeper)
		world_new_link();
}

static void check_gauges(void)
{
	const struct worker_counters *w = &world.counters.worker[0];

	for (int i = 0; i < STAGE_COUNT; i++)
		CHECK(counters_get(&w->in_stage[i]) == 0);
	CHECK(counters_get(&w->holding) == 0 && counters_get(&w->held_bytes) == 0);
	CHECK(counters_get(&world.counters.open) == 0);
	CHECK(counters_get(&world.counters.login_slots) == 0);
	CHECK(counters_get(&world.counters.addresses) == 0);
	CHECK(world.front.refusing == 0);
	CHECK(world.worker.keeper.free_count == KEEPER_SLOTS && world.worker.keeper.unsent_count == 0);
	CHECK(transport_count(TRANSPORT_SOCKET) == 0);
}

/* Each byte came back, is counted as dropped, or was never received. */
static void check_bytes(void)
{
	uint64_t echoed = 0;

	for (unsigned i = 0; i < WORLD_CLIENTS; i++)
		echoed += world.client[i].is_used ? world.client[i].echoed : 0;
	if (world.is_plain)
		CHECK(counters_get(&world.counters.worker[0].bytes_in) - world.bytes_in ==
		      echoed + counters_get(&world.counters.worker[0].bytes_dropped) - world.dropped);
}

static void judge_client(struct client *c)
{
	if (!c->is_used)
		return;
	client_judge_end(c);
	world.sums.connections++;
	world.sums.logged_in += c->echoes && !c->is_raw;
	world.sums.shaken += c->shaken;
	world.sums.echoed += c->echoed;
	world.sums.cut += c->wire.client_reset || c->wire.server_reset;
	world.sums.whole += c->reason == CLOSE_EOF && c->echoed > 0;
}

void world_end(void)
{
	CHECK(world_connections() == 0);
	check_gauges();
	check_bytes();
	for (unsigned i = 0; i < WORLD_CLIENTS; i++) {
		judge_client(&world.client[i]);
		client_fini(&world.client[i]);
	}
	CHECK(transport_blocks() == world.blocks);
	world.worker.draining = false;
	loop_disarm(&world.worker.loop, &world.worker.drain_deadline);
}

struct client *world_client(unsigned number)
{
	return &world.client[number % WORLD_CLIENTS];
}

/* ---- who comes ---- */

static void set_address(struct sockaddr_storage *s, const char *text, unsigned port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)s;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)s;

	*s = (struct sockaddr_storage){.ss_family = strchr(text, ':') ? AF_INET6 : AF_INET};
	if (inet_pton(s->ss_family, text, s->ss_family == AF_INET ? (void *)&v4->sin_addr : (void *)&v6->sin6_addr) !=
	    1)
		abort();
	v4->sin_port = htons((uint16_t)port);
}

static const struct {
	const char *peer, *local;
	bool is_relay;
} places[] = {{"127.0.0.1", "127.0.0.1", false},
              {"192.0.2.7", "192.0.2.1", false},
              {"10.0.0.9", "10.0.0.1", true},
              {"2001:db8::7", "2001:db8::1", false},
              {"::1", "::1", false},
              {"192.0.2.1", "192.0.2.1", false},
              {"192.0.2.8", "192.0.2.1", false},
              {"::ffff:10.0.0.8", "::ffff:10.0.0.1", true}};

static struct client *find_unused(unsigned *number)
{
	for (*number = 0; *number < WORLD_CLIENTS; (*number)++) {
		if (!world.client[*number].is_used)
			return &world.client[*number];
	}
	return NULL;
}

struct client *world_connect(enum world_listener listener, unsigned from, const void *header, size_t header_len)
{
	const struct order_listener *l = &world.front.listener[listener];
	struct tls *session = NULL;
	unsigned number;
	struct client *c = find_unused(&number);

	if (!c)
		return NULL;
	from %= sizeof(places) / sizeof(places[0]);
	bool is_unix = listener == LISTENER_UNIX || listener == LISTENER_RAW_UNIX;
	bool is_relayed = l->proxy_from.count > 0 && places[from].is_relay && !is_unix;
	if (l->tls && tls_open_client(&session, world.client_tls, HOST, l->raw ? TLS_ALPN_ECHO : TLS_ALPN_LOGIN))
		abort();
	world.is_plain &= !l->tls;
	client_init(c, l->raw, is_relayed, session);
	c->wire.is_unix = is_unix;
	set_address(&c->wire.peer, places[from].peer, 40000 + number);
	set_address(&c->wire.local, places[from].local, 7862);
	if (is_unix)
		c->wire.peer.ss_family = c->wire.local.ss_family = AF_UNIX;
	if (is_relayed)
		client_say_header(c, header, header_len);
	transport_connect(world.front.listener_fd[listener], &c->wire);
	return c;
}

struct connection *world_connection(const struct client *client)
{
	for (struct connection *c = world.worker.connections.next; c != &world.worker.connections; c = c->next) {
		if (client->wire.fd >= 0 && c->stream.source.fd == client->wire.fd)
			return c;
	}
	return NULL;
}

unsigned world_connections(void)
{
	unsigned n = 0;

	for (struct connection *c = world.worker.connections.next; c != &world.worker.connections; c = c->next)
		n++;
	return n;
}

/* Nobody is to think that all came back, when it did not. */
static void check_good_end(const struct connection *c)
{
	if (c->echoes && (c->reason == CLOSE_EOF || c->reason == CLOSE_DRAIN || c->reason == CLOSE_IDLE_TIME))
		CHECK(connection_bytes_out(c) == c->bytes_in);
}

/* Notes what the front thinks of a client that it is done with. */
void __wrap_connection_destroy(struct connection *c)
{
	for (unsigned i = 0; i < WORLD_CLIENTS; i++) {
		struct client *client = &world.client[i];
		if (!client->is_used || client->wire.fd != c->stream.source.fd)
			continue;
		client->reason = c->reason;
		client->echoed_at_end = c->echoes;
	}
	check_good_end(c);
	__real_connection_destroy(c);
}

/* ---- what happens ---- */

static void check_held(void)
{
	uint64_t bytes = 0, holding = 0;

	for (struct connection *c = world.worker.connections.next; c != &world.worker.connections; c = c->next) {
		CHECK(c->stream.held_len - c->stream.held_at <= world.held_max);
		CHECK(c->slot == SLOTS_NONE || c->stage <= STAGE_LOGIN);
		bytes += c->stream.held_len - c->stream.held_at;
		holding += c->stream.held != NULL;
	}
	CHECK(counters_get(&world.counters.worker[0].held_bytes) == bytes);
	CHECK(counters_get(&world.counters.worker[0].holding) == holding);
}

unsigned world_turn(uint32_t mask)
{
	unsigned ready = transport_turn(&world.loop, mask);

	world.sent_since_turn = mask == UINT32_MAX ? 0 : world.sent_since_turn;
	ready += transport_turn(&world.worker.loop, mask);
	check_held();
	return ready;
}

void world_pass_ms(uint64_t ms)
{
	while (ms > 0) {
		int wait_ms = deadline_wait_ms(&world.worker.loop.wheel, world.worker.loop.now_ms);
		uint64_t step = wait_ms > 0 && (uint64_t)wait_ms < ms ? (uint64_t)wait_ms : ms;
		transport_pass_ms(step);
		ms -= step;
		(void)world_turn(0);
	}
}

bool world_settle(void)
{
	size_t taken = 1;

	for (int i = 0; taken > 0 || world_turn(UINT32_MAX) > 0; i++) {
		if (i == SETTLING_TURNS)
			return false;
		taken = 0;
		for (unsigned k = 0; k < WORLD_CLIENTS; k++) {
			if (world.client[k].is_used)
				taken += client_take(&world.client[k], SIZE_MAX);
		}
	}
	return true;
}

void world_fail(enum transport_call call, int err)
{
	transport_fail(call, err);
	if (call == CALL_SEND) /* where the kernel takes less than it said, a chunk remains */
		world.held_max = STREAM_CHUNK_MAX;
}

static void send_arrival(struct arrival arrival)
{
	worker_send(&world.worker, &arrival, 1);
	if (++world.sent_since_turn == INBOX_TURN) /* as who accepts waits for a worker that lags behind */
		(void)world_turn(UINT32_MAX);
}

void world_drain(void)
{
	send_arrival((struct arrival){.kind = ARRIVAL_DRAIN, .fd = -1});
}

bool world_is_draining(void)
{
	return world.worker.draining;
}

void world_new_link(void)
{
	send_arrival((struct arrival){.kind = ARRIVAL_LINK, .fd = transport_link_open()});
}

bool world_has_link(void)
{
	return world.worker.keeper.source.fd >= 0;
}

unsigned world_unsent(void)
{
	return world.worker.keeper.unsent_count;
}

void world_new_certificate(void)
{
	send_arrival((struct arrival){.kind = ARRIVAL_TLS, .fd = -1, .tls = tls_context_share(world.front.tls)});
}

const struct world_sums *world_sums(void)
{
	return &world.sums;
}
