/*
 * The client's channel under TLS with a hostile other side. The first byte is the kind: even, what follows is wire
 * bytes in a handshake; odd, a handshake with a real session comes first, and each pair of bytes is then an act:
 *
 *     0 n  the server sends n * 64 plain bytes     4 n  the client receives, n + 1 bytes at most, all there is
 *     1 n  the same, and bit n of it is flipped    5 n  the client sends n * 64 bytes
 *     2 n  the server says close_notify            6 n  the client ends its direction
 *     3 n  the server sends n wire bytes of noise  7 n  FIN
 *
 * What the client takes is what the server has sent, up to where it was touched; and no end but the server's is one.
 */
#include "fuzz.h"

#include <sys/socket.h>
#include <unistd.h>

#include "channel.h"

#define HOST       "localhost"
#define UNIT       64
#define FLIGHT_MAX (TLS_WIRE_MAX(UNIT * 256))

struct pair {
	struct channel client;
	struct tls *server;
	int fd;              /* the server's end */
	uint64_t sent, came; /* plain bytes from server to client */
	bool touched, ended, broken;
};

static struct tls_context *client_context, *server_context;
static struct channel_room room;

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
	    tls_context_open_client(&client_context) || channel_room_init(&room))
		abort();
	free(key);
	free(certificate);
	free(both);
}

static void open_pair(struct pair *p)
{
	int ends[2];

	*p = (struct pair){.client.fd = -1};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) < 0)
		abort();
	channel_open(&p->client, ends[0]);
	p->fd = ends[1];
	if (channel_start_tls(&p->client, client_context, &room, HOST, false) ||
	    tls_open_server(&p->server, server_context, TLS_ALPN_LOGIN))
		abort();
}

static void close_pair(struct pair *p)
{
	channel_close(&p->client);
	tls_close(p->server);
	close(p->fd);
}

static void put(struct pair *p, const void *wire, size_t len)
{
	if (len > 0 && send(p->fd, wire, len, MSG_NOSIGNAL) != (ssize_t)len)
		p->broken = true; /* the client has closed, or the socket is full: nothing that follows counts */
}

static void shake(struct pair *p)
{
	static uint8_t out[FLIGHT_MAX], in[65536];
	enum tls_result result = TLS_MORE;
	int err = -EAGAIN;

	while (err == -EAGAIN || result != TLS_DONE) {
		struct tls_wire wire = {.buf = out, .cap = sizeof(out)};
		err = channel_shake(&p->client);
		CHECK(err == 0 || err == -EAGAIN);
		ssize_t n = recv(p->fd, in, sizeof(in), 0);
		if (n <= 0)
			continue;
		tls_feed(p->server, in, (size_t)n);
		result = tls_shake(p->server, &wire);
		CHECK(result != TLS_FAILED);
		put(p, out, wire.len);
	}
	CHECK(tls_trouble(p->client.tls));
}

static uint8_t plain_at(uint64_t offset)
{
	return (uint8_t)(offset * 131 + (offset >> 8));
}

static void server_sends(struct pair *p, size_t len, int flipped)
{
	static uint8_t plain[UNIT * 256], out[FLIGHT_MAX];
	struct tls_wire wire = {.buf = out, .cap = sizeof(out)};

	if (p->ended || p->broken)
		return;
	for (size_t i = 0; i < len; i++)
		plain[i] = plain_at(p->sent + i);
	if (tls_write(p->server, plain, len, &wire))
		return;
	if (flipped >= 0 && wire.len > 0) {
		out[(size_t)flipped % wire.len] ^= (uint8_t)(1U << (flipped % 8));
		p->touched = true;
	}
	if (!p->touched)
		p->sent += len;
	put(p, out, wire.len);
}

static void client_receives(struct pair *p, size_t cap)
{
	static uint8_t plain[257];

	for (;;) {
		ssize_t n = channel_receive(&p->client, plain, cap);
		if (n <= 0) {
			CHECK(n != 0 || (p->ended && p->came == p->sent)); /* the only end */
			CHECK(n == -EAGAIN || !channel_pending(&p->client) || n == 0 || n < 0);
			return;
		}
		CHECK((size_t)n <= cap);
		CHECK(p->came + (size_t)n <= p->sent); /* nothing that was touched */
		for (ssize_t i = 0; i < n; i++)
			CHECK(plain[i] == plain_at(p->came + (uint64_t)i));
		p->came += (uint64_t)n;
	}
}

static void act(struct pair *p, uint8_t what, uint8_t n)
{
	static uint8_t out[FLIGHT_MAX], noise[256];
	struct tls_wire wire = {.buf = out, .cap = sizeof(out)};
	ssize_t sent;

	switch (what % 8) {
	case 0: server_sends(p, n * (size_t)UNIT, -1); break;
	case 1: server_sends(p, UNIT, n); break;
	case 2:
		if (!p->broken && !p->ended && tls_end(p->server, &wire) == 0) {
			p->ended = !p->touched;
			put(p, out, wire.len);
		}
		break;
	case 3:
		memset(noise, n, sizeof(noise));
		p->touched |= n > 0;
		put(p, noise, n);
		break;
	case 4: client_receives(p, n + 1U); break;
	case 5:
		sent = n > 0 ? channel_send(&p->client, noise, n) : 0;
		CHECK(sent <= n);
		break;
	case 6: (void)!channel_end(&p->client); break;
	case 7: shutdown(p->fd, SHUT_WR); break;
	}
}

static void run_wire(const uint8_t *data, size_t len)
{
	struct pair p;
	int err;

	open_pair(&p);
	put(&p, data, len);
	shutdown(p.fd, SHUT_WR);
	do {
		err = channel_shake(&p.client);
	} while (err == -EAGAIN);
	CHECK(err < 0);
	CHECK(*channel_why(&p.client, err));
	close_pair(&p);
}

static void run_acts(const uint8_t *data, size_t len)
{
	struct pair p;

	open_pair(&p);
	shake(&p);
	for (size_t i = 0; i + 1 < len; i += 2)
		act(&p, data[i], data[i + 1]);
	client_receives(&p, 256);
	close_pair(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 1)
		return 0;
	make_contexts();
	if (data[0] % 2 == 0)
		run_wire(data + 1, len - 1);
	else
		run_acts(data + 1, len - 1);
	return 0;
}
