#include "tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls_context.h"
#include "words.h"

/*
 * Key updates are due every 2^24.5 records (RFC 8446, 5.5), and cost us what a few KiB of data do: so many are free,
 * and one more for each MiB.
 */
#define UPDATES_FREE 16
/* Their answers wait for the next write, 27 bytes each (RFC 8446, 4.6.3): OpenSSL makes each before it reads on. */
#define LATE_BYTES    (UPDATES_FREE * 32)
#define UPDATE_SHIFT  20
#define ALPN_NAME_MAX 32

struct tls {
	SSL *ssl;
	const char *alpn; /* what a server's listener speaks */
	const char *why;  /* static text; NULL: nothing has failed */
	/* wire bytes that came: rest first, which is ours, then fed, which is the caller's */
	const uint8_t *fed;
	uint8_t *rest;
	size_t fed_len, rest_at, rest_len;
	struct tls_wire *out; /* while a call has somewhere to put wire bytes */
	bool more;            /* the last tls_read did not come to the end of what was fed */
	uint16_t late_len;    /* <= sizeof late: wire bytes that wait for the next write */
	uint8_t late[LATE_BYTES];
	uint32_t updates; /* key updates that came */
	uint64_t bytes;   /* plain bytes read */
};

/* ---- the session's two ends as OpenSSL sees them ---- */

static size_t take_from(uint8_t *to, size_t cap, const uint8_t *from, size_t len)
{
	size_t n = cap < len ? cap : len;

	if (n > 0)
		memcpy(to, from, n);
	return n;
}

static int wire_read(BIO *bio, char *to, int cap)
{
	struct tls *t = BIO_get_data(bio);
	size_t n = 0;

	BIO_clear_retry_flags(bio);
	if (cap <= 0)
		return 0;
	if (t->rest) {
		n = take_from((uint8_t *)to, (size_t)cap, t->rest + t->rest_at, t->rest_len - t->rest_at);
		t->rest_at += n;
		if (t->rest_at == t->rest_len) {
			free(t->rest);
			t->rest = NULL;
		}
	} else if (t->fed_len > 0) {
		n = take_from((uint8_t *)to, (size_t)cap, t->fed, t->fed_len);
		t->fed += n;
		t->fed_len -= n;
	}
	if (n > 0)
		return (int)n;
	BIO_set_retry_read(bio);
	return -1;
}

/* Never takes a part: a record that finds no room breaks the session. */
static int wire_write(BIO *bio, const char *from, int len)
{
	struct tls *t = BIO_get_data(bio);
	size_t n = (size_t)len;

	BIO_clear_retry_flags(bio);
	if (len < 0)
		return -1;
	if (t->out) {
		if (n > t->out->cap - t->out->len)
			return -1;
		memcpy(t->out->buf + t->out->len, from, n);
		t->out->len += n;
	} else {
		if (n > sizeof(t->late) - t->late_len)
			return -1;
		memcpy(t->late + t->late_len, from, n);
		t->late_len = (uint16_t)(t->late_len + n);
	}
	return len;
}

static long wire_control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH;
}

/* One method for the process; made before the first session and never freed. */
static BIO_METHOD *wire_method(void)
{
	static BIO_METHOD *_Atomic method;

	if (!method) {
		BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire bytes"), *none = NULL;
		if (!m)
			return NULL;
		BIO_meth_set_read(m, wire_read);
		BIO_meth_set_write(m, wire_write);
		BIO_meth_set_ctrl(m, wire_control);
		if (!__atomic_compare_exchange_n((BIO_METHOD **)&method, &none, m, false, __ATOMIC_SEQ_CST,
		                                 __ATOMIC_SEQ_CST))
			BIO_meth_free(m); /* another thread was first */
	}
	return method;
}

/* ---- opening and closing ---- */

/* Sees each handshake message that comes. */
static void watch_messages(int is_sent, int version, int type, const void *message, size_t len, SSL *ssl, void *arg)
{
	struct tls *t = arg;

	(void)version;
	(void)ssl;
	if (!is_sent && type == SSL3_RT_HANDSHAKE && len > 0 && *(const uint8_t *)message == SSL3_MT_KEY_UPDATE)
		t->updates++;
}

static int open_session(struct tls **out, struct tls_context *context, const char *alpn)
{
	struct tls *t = calloc(1, sizeof(*t));
	BIO_METHOD *method = wire_method();
	BIO *wire = method ? BIO_new(method) : NULL;

	if (t)
		t->ssl = SSL_new(context->ssl);
	if (!t || !t->ssl || !wire) {
		BIO_free(wire);
		tls_close(t);
		return -ENOMEM;
	}
	t->alpn = alpn;
	BIO_set_data(wire, t);
	BIO_set_init(wire, 1);
	SSL_set_bio(t->ssl, wire, wire);
	SSL_set_app_data(t->ssl, t);
	SSL_set_msg_callback(t->ssl, watch_messages);
	SSL_set_msg_callback_arg(t->ssl, t);
	*out = t;
	return 0;
}

int tls_open_server(struct tls **out, struct tls_context *context, const char *alpn)
{
	int err = open_session(out, context, alpn);

	if (!err)
		SSL_set_accept_state((*out)->ssl);
	return err;
}

/* The check of the certificate, and SNI, which takes names only (RFC 6066, 3). A zone is no part of an address there.
 */
static bool expect_host(SSL *ssl, const char *host)
{
	char bare[256];
	uint8_t ip[16];

	snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(host, "%"), host);
	if (inet_pton(AF_INET, bare, ip) == 1 || inet_pton(AF_INET6, bare, ip) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), bare) == 1;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, bare) == 1 && SSL_set_tlsext_host_name(ssl, bare) == 1;
}

int tls_open_client(struct tls **out, struct tls_context *context, const char *host, const char *alpn)
{
	uint8_t offer[ALPN_NAME_MAX + 1];
	size_t len = strlen(alpn);
	int err = len > ALPN_NAME_MAX ? -EINVAL : open_session(out, context, alpn);

	if (err)
		return err;
	offer[0] = (uint8_t)len;
	memcpy(offer + 1, alpn, len);
	SSL_set_connect_state((*out)->ssl);
	if (SSL_set_alpn_protos((*out)->ssl, offer, (unsigned)len + 1) == 0 && expect_host((*out)->ssl, host))
		return 0;
	tls_close(*out);
	*out = NULL;
	return -ENOMEM;
}

void tls_close(struct tls *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	free(t->rest);
	explicit_bzero(t, sizeof(*t));
	free(t);
	ERR_clear_error();
}

const char *tls_context_alpn(SSL *ssl)
{
	const struct tls *t = SSL_get_app_data(ssl);

	return t->alpn;
}

/* ---- wire bytes that came ---- */

void tls_feed(struct tls *t, const uint8_t *data, size_t len)
{
	t->fed = data;
	t->fed_len = len;
	t->more |= len > 0;
}

int tls_keep(struct tls *t)
{
	size_t left = t->rest ? t->rest_len - t->rest_at : 0, len = left + t->fed_len;

	if (t->fed_len == 0)
		return 0;
	uint8_t *kept = malloc(len);
	if (!kept)
		return -ENOMEM;
	if (left > 0)
		memcpy(kept, t->rest + t->rest_at, left);
	memcpy(kept + left, t->fed, t->fed_len);
	free(t->rest);
	t->rest = kept;
	t->rest_at = 0;
	t->rest_len = len;
	t->fed_len = 0;
	return 0;
}

bool tls_pending(const struct tls *t)
{
	return t->more;
}

/* ---- the session ---- */

/* What OpenSSL says of a call that returned rc. */
static enum tls_result outcome(struct tls *t, int rc)
{
	switch (SSL_get_error(t->ssl, rc)) {
	case SSL_ERROR_WANT_READ: t->more = false; return TLS_MORE;
	case SSL_ERROR_ZERO_RETURN: return TLS_ENDED;
	default: break;
	}
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());
	if (!t->why)
		t->why = reason ? reason : N_("the session is broken");
	ERR_clear_error();
	return TLS_FAILED;
}

/* What waited for the next write stands before all that is written. */
static int begin_output(struct tls *t, struct tls_wire *out)
{
	if (t->why || out->cap - out->len < t->late_len)
		return -EPROTO;
	memcpy(out->buf + out->len, t->late, t->late_len);
	out->len += t->late_len;
	t->late_len = 0;
	t->out = out;
	return 0;
}

enum tls_result tls_shake(struct tls *t, struct tls_wire *out)
{
	ERR_clear_error();
	if (begin_output(t, out))
		return TLS_FAILED;
	int rc = SSL_do_handshake(t->ssl);
	enum tls_result result = rc == 1 ? TLS_DONE : outcome(t, rc);
	t->out = NULL;
	if (result == TLS_DONE)
		t->more = true; /* data may stand behind the last message already */
	if (result == TLS_ENDED && !t->why)
		t->why = N_("the other side ended it");
	return result == TLS_ENDED ? TLS_FAILED : result;
}

/* Whether the other side makes us work without sending data. */
static bool is_abused(struct tls *t)
{
	if (t->updates <= UPDATES_FREE + (t->bytes >> UPDATE_SHIFT))
		return false;
	t->why = N_("too many key updates");
	return true;
}

enum tls_result tls_read(struct tls *t, uint8_t *plain, size_t cap, size_t *got)
{
	enum tls_result result = TLS_DONE;

	*got = 0;
	if (t->why)
		return TLS_FAILED;
	ERR_clear_error();
	t->more = true;
	while (*got < cap && result == TLS_DONE) {
		size_t n;
		int rc = SSL_read_ex(t->ssl, plain + *got, cap - *got, &n);
		if (rc == 1)
			*got += n;
		else
			result = outcome(t, rc);
	}
	t->bytes += *got;
	if (is_abused(t)) {
		*got = 0;
		return TLS_FAILED;
	}
	return *got > 0 ? TLS_DONE : result; /* the end, or the failure, is told again */
}

int tls_write(struct tls *t, const void *plain, size_t len, struct tls_wire *out)
{
	size_t n;

	ERR_clear_error();
	if (begin_output(t, out))
		return -EPROTO;
	int rc = len > 0 ? SSL_write_ex(t->ssl, plain, len, &n) : 1;
	if (rc != 1)
		(void)outcome(t, rc);
	t->out = NULL;
	return rc == 1 ? 0 : -EPROTO;
}

int tls_end(struct tls *t, struct tls_wire *out)
{
	ERR_clear_error();
	if (begin_output(t, out))
		return -EPROTO;
	/* a second call would look for the other side's end, and take its data for an error */
	int rc = SSL_get_shutdown(t->ssl) & SSL_SENT_SHUTDOWN ? 0 : SSL_shutdown(t->ssl);
	if (rc < 0)
		(void)outcome(t, rc);
	t->out = NULL;
	return rc < 0 ? -EPROTO : 0;
}

/* ---- who is there ---- */

void tls_wipe_plain(struct tls *t, bool on)
{
	if (on)
		SSL_set_options(t->ssl, SSL_OP_CLEANSE_PLAINTEXT);
	else
		SSL_clear_options(t->ssl, SSL_OP_CLEANSE_PLAINTEXT);
}

const char *tls_why(const struct tls *t)
{
	return t->why ? t->why : "nothing has failed";
}

const char *tls_trouble(const struct tls *t)
{
	long result = SSL_get_verify_result(t->ssl);

	return result == X509_V_OK ? NULL : X509_verify_cert_error_string(result);
}

int tls_pin(const struct tls *t, char pin[TLS_PIN_MAX])
{
	X509 *certificate = SSL_get0_peer_certificate(t->ssl);

	return certificate ? tls_context_pin_of(certificate, pin) : -ENOENT;
}

bool tls_pin_same(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b);

	while (a_len > 0 && a[a_len - 1] == '=')
		a_len--;
	while (b_len > 0 && b[b_len - 1] == '=')
		b_len--;
	return a_len == b_len && memcmp(a, b, a_len) == 0;
}

void tls_describe(const struct tls *t, char *text, size_t cap)
{
	snprintf(text, cap, "%s, %s", SSL_get_version(t->ssl), SSL_get_cipher_name(t->ssl));
}
