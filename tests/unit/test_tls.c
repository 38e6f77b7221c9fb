/* TLS as values: two sessions joined by nothing but this test, which hands wire bytes over in any pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "must.h"
#include "tls.h"

#define PLAIN_MAX ((size_t)300 * 1024)

static struct tls_context *server_context, *client_context;
static uint8_t *plain, *came;

static char *make_pem(int days, size_t *len)
{
	char *key, *certificate;
	size_t key_len, certificate_len;

	assert_int_equal(tls_make_key(&key, &key_len), 0);
	assert_int_equal(tls_make_certificate(key, key_len, "host.example", days, &certificate, &certificate_len), 0);
	char *pem = malloc(key_len + certificate_len);
	memcpy(pem, certificate, certificate_len);
	memcpy(pem + certificate_len, key, key_len);
	*len = key_len + certificate_len;
	free(key);
	free(certificate);
	return pem;
}

static int set_up(void **state)
{
	char why[TLS_WHY_MAX];
	size_t len;
	char *pem = make_pem(90, &len);

	(void)state;
	plain = malloc(PLAIN_MAX);
	came = malloc(PLAIN_MAX + 1);
	for (size_t i = 0; i < PLAIN_MAX; i++)
		plain[i] = (uint8_t)(i * 7 + i / 251);
	int err = tls_context_open_server(&server_context, pem, len, why);
	free(pem);
	return err || tls_context_open_client(&client_context);
}

static int tear_down(void **state)
{
	(void)state;
	tls_context_close(server_context);
	tls_context_close(client_context);
	free(plain);
	free(came);
	return 0;
}

/* One direction's wire bytes. */
struct pipe {
	struct tls_wire wire;
	size_t at;
};

struct pair {
	struct tls *client, *server;
	struct pipe up, down; /* to the server, to the client */
};

static void pipe_init(struct pipe *p)
{
	p->wire.cap = TLS_WIRE_MAX(PLAIN_MAX) * 2;
	p->wire.buf = malloc(p->wire.cap);
	p->wire.len = p->at = 0;
}

static void open_pair(struct pair *p, const char *client_alpn, const char *server_alpn)
{
	assert_int_equal(tls_open_client(&p->client, client_context, "host.example", client_alpn), 0);
	assert_int_equal(tls_open_server(&p->server, server_context, server_alpn), 0);
	pipe_init(&p->up);
	pipe_init(&p->down);
}

static void close_pair(struct pair *p)
{
	tls_close(p->client);
	tls_close(p->server);
	free(p->up.wire.buf);
	free(p->down.wire.buf);
}

/* Feeds at most most bytes of what is in the pipe. */
static void feed(struct tls *t, struct pipe *p, size_t most)
{
	size_t left = p->wire.len - p->at, n = left < most ? left : most;

	tls_feed(t, p->wire.buf + p->at, n);
	p->at += n;
	if (p->at == p->wire.len && n == 0)
		p->at = p->wire.len = 0;
}

/* Shakes hands with pieces of so many bytes. */
static void shake(struct pair *p, size_t piece)
{
	enum tls_result c = TLS_MORE, s = TLS_MORE;

	for (int turn = 0; turn < 100000 && (c != TLS_DONE || s != TLS_DONE); turn++) {
		if (c == TLS_MORE) {
			feed(p->client, &p->down, piece);
			c = tls_shake(p->client, &p->up.wire);
		}
		if (s == TLS_MORE) {
			feed(p->server, &p->up, piece);
			s = tls_shake(p->server, &p->down.wire);
		}
		assert_true(c == TLS_MORE || c == TLS_DONE);
		assert_true(s == TLS_MORE || s == TLS_DONE);
	}
	assert_int_equal(c, TLS_DONE);
	assert_int_equal(s, TLS_DONE);
	assert_int_equal(tls_keep(p->client), 0);
	assert_int_equal(tls_keep(p->server), 0);
}

/* Reads all that is in the pipe, in pieces of wire bytes and of room. Returns how much came; result is the last. */
static size_t drain(struct tls *t, struct pipe *p, size_t piece, size_t room, enum tls_result *result)
{
	size_t total = 0, got;

	for (;;) {
		if (!tls_pending(t)) {
			if (p->at == p->wire.len) {
				p->at = p->wire.len = 0;
				*result = TLS_MORE;
				return total;
			}
			feed(t, p, piece);
		}
		size_t left = PLAIN_MAX + 1 - total; /* and one: what never was sent would show */
		*result = tls_read(t, came + total, left < room ? left : room, &got);
		if (*result == TLS_ENDED || *result == TLS_FAILED)
			return total;
		total += got;
		assert_int_equal(tls_keep(t), 0);
	}
}

static void shakes_hands_at_every_split(void **state)
{
	(void)state;
	for (size_t piece = 1; piece < 40; piece++) {
		struct pair p;
		open_pair(&p, TLS_ALPN_LOGIN, TLS_ALPN_LOGIN);
		shake(&p, piece);
		close_pair(&p);
	}
}

static void brings_each_byte_in_any_pieces(void **state)
{
	static const size_t pieces[] = {1, 7, 512, 16406, 65536, PLAIN_MAX * 2},
	                    rooms[] = {1, 500, 16384, PLAIN_MAX + 1};

	(void)state;
	for (size_t i = 0; i < array_size(pieces); i++) {
		for (size_t j = 0; j < array_size(rooms); j++) {
			size_t len = pieces[i] == 1 || rooms[j] == 1 ? 40000 : PLAIN_MAX;
			enum tls_result result;
			struct pair p;
			open_pair(&p, TLS_ALPN_ECHO, TLS_ALPN_ECHO);
			shake(&p, 4096);
			assert_int_equal(tls_write(p.client, plain, len, &p.up.wire), 0);
			assert_int_equal(drain(p.server, &p.up, pieces[i], rooms[j], &result), len);
			assert_int_equal(result, TLS_MORE);
			assert_memory_equal(came, plain, len);
			assert_false(tls_pending(p.server));
			close_pair(&p);
		}
	}
}

/* A client may send behind its Finished, in the same segment. */
static void data_behind_the_handshake_is_kept(void **state)
{
	enum tls_result result = TLS_MORE;
	struct pair p;

	(void)state;
	open_pair(&p, TLS_ALPN_ECHO, TLS_ALPN_ECHO);
	assert_int_equal(tls_shake(p.client, &p.up.wire), TLS_MORE);
	feed(p.server, &p.up, PLAIN_MAX);
	assert_int_equal(tls_shake(p.server, &p.down.wire), TLS_MORE);
	feed(p.client, &p.down, PLAIN_MAX);
	p.up.at = p.up.wire.len = 0;
	assert_int_equal(tls_shake(p.client, &p.up.wire), TLS_DONE);
	assert_int_equal(tls_write(p.client, plain, 100000, &p.up.wire), 0);
	feed(p.server, &p.up, p.up.wire.len);
	assert_int_equal(tls_shake(p.server, &p.down.wire), TLS_DONE);
	assert_true(tls_pending(p.server));
	assert_int_equal(tls_keep(p.server), 0);
	memset(p.up.wire.buf, 0, p.up.wire.len); /* the caller's bytes are gone */
	p.up.at = p.up.wire.len = 0;
	assert_int_equal(drain(p.server, &p.up, 4096, 777, &result), 100000);
	assert_memory_equal(came, plain, 100000);
	close_pair(&p);
}

static void each_direction_ends_by_itself(void **state)
{
	enum tls_result result;
	struct pair p;
	size_t got;

	(void)state;
	open_pair(&p, TLS_ALPN_ECHO, TLS_ALPN_ECHO);
	shake(&p, 4096);
	assert_int_equal(tls_write(p.client, plain, 5000, &p.up.wire), 0);
	assert_int_equal(tls_end(p.client, &p.up.wire), 0);
	assert_int_equal(drain(p.server, &p.up, PLAIN_MAX, PLAIN_MAX + 1, &result), 5000);
	assert_int_equal(result, TLS_ENDED);
	assert_int_equal(tls_read(p.server, came, 1, &got), TLS_ENDED);
	assert_int_equal(tls_write(p.server, plain, 5000, &p.down.wire), 0);
	assert_int_equal(tls_end(p.server, &p.down.wire), 0);
	assert_int_equal(drain(p.client, &p.down, PLAIN_MAX, PLAIN_MAX + 1, &result), 5000);
	assert_int_equal(result, TLS_ENDED);
	assert_memory_equal(came, plain, 5000);
	close_pair(&p);
}

static void another_protocol_is_refused(void **state)
{
	struct pair p;

	(void)state;
	open_pair(&p, TLS_ALPN_LOGIN, TLS_ALPN_ECHO);
	assert_int_equal(tls_shake(p.client, &p.up.wire), TLS_MORE);
	feed(p.server, &p.up, PLAIN_MAX);
	assert_int_equal(tls_shake(p.server, &p.down.wire), TLS_FAILED);
	assert_non_null(strstr(tls_why(p.server), "application protocol"));
	assert_true(p.down.wire.len > 0); /* an alert tells the client */
	feed(p.client, &p.down, PLAIN_MAX);
	assert_int_equal(tls_shake(p.client, &p.up.wire), TLS_FAILED);
	close_pair(&p);
}

static void what_is_no_tls_fails(void **state)
{
	static const uint8_t rubbish[] = "USER anna\r\nPASS correct horse\r\n";
	struct pair p;

	(void)state;
	open_pair(&p, TLS_ALPN_LOGIN, TLS_ALPN_LOGIN);
	tls_feed(p.server, rubbish, sizeof(rubbish) - 1);
	assert_int_equal(tls_shake(p.server, &p.down.wire), TLS_FAILED);
	assert_int_equal(tls_write(p.server, "x", 1, &p.down.wire), -1 * 71 /* EPROTO */);
	close_pair(&p);
}

static void a_damaged_record_fails(void **state)
{
	enum tls_result result;
	struct pair p;

	(void)state;
	open_pair(&p, TLS_ALPN_ECHO, TLS_ALPN_ECHO);
	shake(&p, 4096);
	p.up.at = p.up.wire.len = 0;
	assert_int_equal(tls_write(p.client, plain, 40000, &p.up.wire), 0);
	p.up.wire.buf[20000] ^= 1; /* in the second record */
	assert_int_equal(drain(p.server, &p.up, PLAIN_MAX, PLAIN_MAX + 1, &result), 16384);
	assert_int_equal(result, TLS_FAILED);
	close_pair(&p);
}

static void the_pin_is_the_keys(void **state)
{
	char ours[TLS_PIN_MAX], theirs[TLS_PIN_MAX];
	struct pair p;

	(void)state;
	open_pair(&p, TLS_ALPN_ECHO, TLS_ALPN_ECHO);
	shake(&p, 4096);
	assert_int_equal(tls_context_pin(server_context, ours), 0);
	assert_int_equal(tls_pin(p.client, theirs), 0);
	assert_string_equal(ours, theirs);
	assert_int_equal(strlen(ours), 7 + 43);
	assert_non_null(tls_trouble(p.client)); /* nobody has signed it but itself */
	assert_true(tls_pin_same("SHA256:abc=", "SHA256:abc"));
	assert_false(tls_pin_same("SHA256:abc", "SHA256:abd"));
	assert_false(tls_pin_same("SHA256:abc", "SHA256:ab"));
	close_pair(&p);
}

static void a_certificate_lasts_as_long_as_wanted(void **state)
{
	int64_t left = tls_context_not_after(server_context) - (int64_t)time(NULL);

	(void)state;
	assert_in_range(left, INT64_C(90) * 86400 - 300, INT64_C(90) * 86400 + 300);
}

static void a_renewed_certificate_keeps_the_key(void **state)
{
	char *key, *one, *other, why[TLS_WHY_MAX], pin[2][TLS_PIN_MAX];
	size_t key_len, len[2];

	(void)state;
	assert_int_equal(tls_make_key(&key, &key_len), 0);
	assert_int_equal(tls_make_certificate(key, key_len, "a", 1, &one, &len[0]), 0);
	assert_int_equal(tls_make_certificate(key, key_len, "a", 2, &other, &len[1]), 0);
	for (int i = 0; i < 2; i++) {
		struct tls_context *c;
		char *pem = malloc(len[i] + key_len); /* the key first: order does not matter */
		memcpy(pem, key, key_len);
		memcpy(pem + key_len, i ? other : one, len[i]);
		assert_int_equal(tls_context_open_server(&c, pem, len[i] + key_len, why), 0);
		assert_int_equal(tls_context_pin(c, pin[i]), 0);
		tls_context_close(c);
		free(pem);
	}
	assert_string_equal(pin[0], pin[1]);
	free(key);
	free(one);
	free(other);
}

/* OpenSSL takes the key, and a chain of it, but TLS 1.3 has no signature for its curve. */
static void a_key_that_cannot_shake_hands_is_refused(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("secp224r1");
	BIO *bio = BIO_new(BIO_s_mem());
	struct tls_context *c = NULL;
	char why[TLS_WHY_MAX], *certificate, *text;
	size_t len;

	(void)state;
	assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	long key_len = BIO_get_mem_data(bio, &text);
	assert_int_equal(tls_make_certificate(text, (size_t)key_len, "host.example", 1, &certificate, &len), 0);
	assert_int_equal(BIO_write(bio, certificate, (int)len), (int)len);
	key_len = BIO_get_mem_data(bio, &text);
	assert_int_equal(tls_context_open_server(&c, text, (size_t)key_len, why), -22);
	assert_null(c);
	assert_string_equal(why, "no TLS 1.3 handshake succeeds with it (unsupported protocol)");
	BIO_free(bio);
	EVP_PKEY_free(key);
	free(certificate);
}

static void bad_pem_is_told_apart(void **state)
{
	struct tls_context *c = NULL;
	char why[TLS_WHY_MAX];
	size_t len, other_len;
	char *pem = make_pem(1, &len), *other = make_pem(1, &other_len);
	char *key = strstr(pem, "-----BEGIN PRIVATE KEY");
	char *other_key = strstr(other, "-----BEGIN PRIVATE KEY");
	size_t certificate_len = (size_t)(key - pem), other_key_len = other_len - (size_t)(other_key - other);

	(void)state;
	assert_int_equal(tls_context_open_server(&c, "", 0, why), -22);
	assert_non_null(strstr(why, "no certificate"));
	assert_int_equal(tls_context_open_server(&c, pem, certificate_len, why), -22);
	assert_non_null(strstr(why, "no key"));
	char *mixed = malloc(certificate_len + other_key_len);
	memcpy(mixed, pem, certificate_len);
	memcpy(mixed + certificate_len, other_key, other_key_len);
	assert_int_equal(tls_context_open_server(&c, mixed, certificate_len + other_key_len, why), -22);
	assert_non_null(strstr(why, "does not belong"));
	pem[100] = '!';
	assert_int_equal(tls_context_open_server(&c, pem, len, why), -22);
	assert_null(c);
	free(mixed);
	free(pem);
	free(other);
}

/* A client of raw OpenSSL over memory, which can do what ours does not. */
static SSL *open_foreign(BIO **in, BIO **out)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(context);

	SSL_CTX_free(context);
	*in = BIO_new(BIO_s_mem());
	*out = BIO_new(BIO_s_mem());
	SSL_set_bio(ssl, *in, *out);
	SSL_set_connect_state(ssl);
	return ssl;
}

static void to_server(BIO *out, struct pipe *up)
{
	char *text;
	long len = BIO_get_mem_data(out, &text);

	memcpy(up->wire.buf + up->wire.len, text, (size_t)len);
	up->wire.len += (size_t)len;
	BIO_reset(out);
}

static void key_updates_without_end_are_an_abuse(void **state)
{
	enum tls_result result = TLS_MORE;
	struct pair p;
	BIO *in, *out;
	size_t got;
	int rounds = 0;

	(void)state;
	open_pair(&p, TLS_ALPN_ECHO, TLS_ALPN_ECHO);
	SSL *ssl = open_foreign(&in, &out); /* offers no ALPN, which is fine */
	while (tls_shake(p.server, &p.down.wire) != TLS_DONE) {
		BIO_write(in, p.down.wire.buf, (int)p.down.wire.len);
		p.down.wire.len = 0;
		(void)!SSL_do_handshake(ssl);
		to_server(out, &p.up);
		feed(p.server, &p.up, PLAIN_MAX);
	}
	p.up.at = p.up.wire.len = 0;
	for (; rounds < 1000 && result != TLS_FAILED; rounds++) {
		assert_int_equal(SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		(void)!SSL_do_handshake(ssl);
		to_server(out, &p.up);
		feed(p.server, &p.up, PLAIN_MAX);
		p.up.at = p.up.wire.len = 0;
		result = tls_read(p.server, came, PLAIN_MAX, &got);
	}
	assert_in_range(rounds, 10, 100);
	assert_non_null(strstr(tls_why(p.server), "key updates"));
	SSL_free(ssl);
	close_pair(&p);
}

/* One key update is answered with the next that is written, and the data goes on under the new keys. */
static void a_key_update_is_answered(void **state)
{
	struct pair p;
	BIO *in, *out;
	size_t got;

	(void)state;
	open_pair(&p, TLS_ALPN_ECHO, TLS_ALPN_ECHO);
	SSL *ssl = open_foreign(&in, &out);
	while (tls_shake(p.server, &p.down.wire) != TLS_DONE) {
		BIO_write(in, p.down.wire.buf, (int)p.down.wire.len);
		p.down.wire.len = 0;
		(void)!SSL_do_handshake(ssl);
		to_server(out, &p.up);
		feed(p.server, &p.up, PLAIN_MAX);
	}
	for (int i = 0; i < 2; i++) {
		p.up.at = p.up.wire.len = p.down.wire.len = 0;
		for (int j = 0; j < 7; j++) { /* several at once, too */
			assert_int_equal(SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED), 1);
			assert_int_equal(SSL_do_handshake(ssl), 1);
		}
		assert_int_equal(SSL_write(ssl, plain, 1000), 1000);
		to_server(out, &p.up);
		feed(p.server, &p.up, PLAIN_MAX);
		assert_int_equal(tls_read(p.server, came, PLAIN_MAX, &got), TLS_DONE);
		assert_int_equal(got, 1000);
		assert_int_equal(tls_write(p.server, came, got, &p.down.wire), 0);
		BIO_write(in, p.down.wire.buf, (int)p.down.wire.len);
		assert_int_equal(SSL_read(ssl, came, 2000), 1000);
		assert_memory_equal(came, plain, 1000);
	}
	SSL_free(ssl);
	close_pair(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(shakes_hands_at_every_split),
	    cmocka_unit_test(brings_each_byte_in_any_pieces),
	    cmocka_unit_test(data_behind_the_handshake_is_kept),
	    cmocka_unit_test(each_direction_ends_by_itself),
	    cmocka_unit_test(another_protocol_is_refused),
	    cmocka_unit_test(what_is_no_tls_fails),
	    cmocka_unit_test(a_damaged_record_fails),
	    cmocka_unit_test(the_pin_is_the_keys),
	    cmocka_unit_test(a_certificate_lasts_as_long_as_wanted),
	    cmocka_unit_test(a_renewed_certificate_keeps_the_key),
	    cmocka_unit_test(bad_pem_is_told_apart),
	    cmocka_unit_test(a_key_that_cannot_shake_hands_is_refused),
	    cmocka_unit_test(key_updates_without_end_are_an_abuse),
	    cmocka_unit_test(a_key_update_is_answered),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
