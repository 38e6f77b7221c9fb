#include "tls_context.h"

#include "tls_trial.h"
#include "words.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SERIAL_BYTES    16 /* 64 bits of chance at least (CA/Browser Forum, 7.1); 20 bytes at most (RFC 5280, 4.1.2.2) */
#define COMMON_NAME_MAX 64   /* ub-common-name, RFC 5280 */
#define HOUR_S          3600 /* a certificate begins so long ago: clocks differ */
#define DAY_S           86400

void tls_context_last_error(char why[TLS_WHY_MAX])
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	snprintf(why, TLS_WHY_MAX, "%s", reason ? reason : N_("memory is out"));
	ERR_clear_error();
}

/* Whether memory was out somewhere in what has failed, whatever OpenSSL has made of it on the way. Forgets it. */
static bool memory_was_out(void)
{
	unsigned long error;
	bool was_out = false;

	while ((error = ERR_get_error()) != 0)
		was_out |= ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE;
	return was_out;
}

/* ---- what server and client have in common ---- */

/*
 * What OpenSSL 3.0 finds no memory for when it sets itself up is missing for ever, and it follows a null pointer there:
 * so it does that here, before anything else is asked of it, and where we can tell.
 */
static bool is_set_up(void)
{
	return OPENSSL_init_ssl(0, NULL) == 1 && OSSL_LIB_CTX_get0_global_default();
}

/* Mozilla, Server Side TLS 5.7, "modern". */
static bool set_modern(SSL_CTX *ssl)
{
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS); /* an idle session has no buffers */
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_read_ahead(ssl, 1); /* takes all that is fed, not a record's header first */
	return SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_ciphersuites(ssl, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
	                                     "TLS_CHACHA20_POLY1305_SHA256") == 1 &&
	       SSL_CTX_set1_groups_list(ssl, "X25519:P-256:P-384") == 1;
}

static struct tls_context *context_create(const SSL_METHOD *method)
{
	struct tls_context *c = is_set_up() ? calloc(1, sizeof(*c)) : NULL;

	if (c && (c->ssl = SSL_CTX_new(method)) && set_modern(c->ssl))
		return c;
	tls_context_close(c);
	ERR_clear_error();
	return NULL;
}

void tls_context_close(struct tls_context *c)
{
	if (!c)
		return;
	SSL_CTX_free(c->ssl);
	free(c);
}

struct tls_context *tls_context_share(struct tls_context *c)
{
	struct tls_context *other = calloc(1, sizeof(*other));

	if (!other)
		return NULL;
	*other = *c;
	SSL_CTX_up_ref(c->ssl);
	return other;
}

int tls_context_open_client(struct tls_context **out)
{
	struct tls_context *c = context_create(TLS_client_method());

	if (!c)
		return -ENOMEM;
	(void)SSL_CTX_set_default_verify_paths(c->ssl);    /* where there are none, no chain is trusted */
	SSL_CTX_set_verify(c->ssl, SSL_VERIFY_NONE, NULL); /* the outcome is asked for, before anything is sent */
	ERR_clear_error();
	*out = c;
	return 0;
}

/* ---- a server's ---- */

static int select_alpn(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_len, const unsigned char *offered,
                       unsigned offered_len, void *arg)
{
	const char *ours = tls_context_alpn(ssl);
	size_t len = strlen(ours);

	(void)arg;
	for (unsigned i = 0; i < offered_len; i += 1u + offered[i]) {
		if (offered[i] == len && len < offered_len - i && memcmp(offered + i + 1, ours, len) == 0) {
			*chosen = offered + i + 1;
			*chosen_len = (unsigned char)len;
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* A key that wants a passphrase is none that a server could use: nobody is there to be asked. */
static int no_passphrase(char *buf, int size, int writes, void *arg)
{
	(void)buf;
	(void)size;
	(void)writes;
	(void)arg;
	return -1;
}

/* The first certificate is the server's, those behind it are its chain. Returns how many there are, or -1. */
static int use_certificates(SSL_CTX *ssl, const void *pem, size_t len)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)len);
	X509 *certificate;
	int count = 0;

	while (bio && (certificate = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL))) {
		int good = count == 0 ? SSL_CTX_use_certificate(ssl, certificate)
		                      : SSL_CTX_add1_chain_cert(ssl, certificate) == 1;
		X509_free(certificate);
		if (good != 1) {
			BIO_free(bio);
			return -1;
		}
		count++;
	}
	BIO_free(bio);
	if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE)
		ERR_clear_error(); /* the end of the text */
	return bio && ERR_peek_last_error() == 0 ? count : -1;
}

static EVP_PKEY *read_key(const void *pem, size_t len)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)len);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;

	BIO_free(bio);
	return key;
}

static int refuse(char why[TLS_WHY_MAX], const char *clause)
{
	snprintf(why, TLS_WHY_MAX, "%s", clause);
	ERR_clear_error();
	return -EINVAL;
}

static int use_pem(SSL_CTX *ssl, const void *pem, size_t len, char why[TLS_WHY_MAX])
{
	int count = use_certificates(ssl, pem, len);

	if (count < 0) {
		tls_context_last_error(why);
		return -EINVAL;
	}
	if (count == 0)
		return refuse(why, N_("there is no certificate in it"));
	EVP_PKEY *key = read_key(pem, len);
	if (!key)
		return refuse(why, memory_was_out() ? N_("memory is out")
		                                    : N_("there is no key in it that is usable without a passphrase"));
	int matches = X509_check_private_key(SSL_CTX_get0_certificate(ssl), key);
	int used = matches == 1 ? SSL_CTX_use_PrivateKey(ssl, key) : 0;
	EVP_PKEY_free(key);
	if (matches != 1)
		return refuse(why, N_("the key does not belong to the certificate"));
	if (used == 1)
		return 0;
	tls_context_last_error(why);
	return -EINVAL;
}

/* Nobody is served with what cannot shake hands. */
static int try_out(SSL_CTX *server, char why[TLS_WHY_MAX])
{
	struct tls_context *client = context_create(TLS_client_method());
	bool good = client && tls_trial_succeeds(server, client->ssl);
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	if (!good)
		snprintf(why, TLS_WHY_MAX, _("no TLS 1.3 handshake succeeds with it (%s)"),
		         reason ? reason : N_("memory is out"));
	tls_context_close(client);
	ERR_clear_error();
	return good ? 0 : -EINVAL;
}

int tls_context_open_server(struct tls_context **out, const void *pem, size_t len, char why[TLS_WHY_MAX])
{
	struct tls_context *c = len <= INT32_MAX ? context_create(TLS_server_method()) : NULL;

	if (!c) {
		snprintf(why, TLS_WHY_MAX, N_("memory is out"));
		return -ENOMEM;
	}
	c->is_server = true;
	SSL_CTX_set_num_tickets(c->ssl, 0); /* nothing to steal, and nothing to keep */
	SSL_CTX_set_max_early_data(c->ssl, 0);
	SSL_CTX_set_alpn_select_cb(c->ssl, select_alpn, NULL);
	int err = use_pem(c->ssl, pem, len, why);
	if (!err)
		err = try_out(c->ssl, why);
	if (err) {
		tls_context_close(c);
		return err;
	}
	*out = c;
	return 0;
}

int tls_context_pin_of(X509 *certificate, char pin[TLS_PIN_MAX])
{
	unsigned char *der = NULL, digest[SHA256_DIGEST_LENGTH];
	char text[((SHA256_DIGEST_LENGTH + 2) / 3) * 4 + 1];
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);

	if (len <= 0)
		return -ENOENT;
	SHA256(der, (size_t)len, digest);
	OPENSSL_free(der);
	EVP_EncodeBlock((unsigned char *)text, digest, sizeof(digest));
	text[strcspn(text, "=")] = '\0'; /* as ssh-keygen -l shows it */
	snprintf(pin, TLS_PIN_MAX, "SHA256:%s", text);
	return 0;
}

int tls_context_pin(const struct tls_context *c, char pin[TLS_PIN_MAX])
{
	X509 *certificate = SSL_CTX_get0_certificate(c->ssl);

	return certificate ? tls_context_pin_of(certificate, pin) : -ENOENT;
}

int64_t tls_context_not_after(const struct tls_context *c)
{
	X509 *certificate = SSL_CTX_get0_certificate(c->ssl);
	struct tm tm;

	if (!certificate || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) != 1)
		return 0;
	return timegm(&tm);
}

/* ---- a key and a certificate of one's own ---- */

/* What was written into bio, which is freed, as the caller's own. */
static int take_text(BIO *bio, int written, char **out, size_t *out_len)
{
	char *text = NULL;
	long len = written == 1 ? BIO_get_mem_data(bio, &text) : 0;

	*out = len > 0 ? malloc((size_t)len) : NULL;
	if (*out) {
		memcpy(*out, text, (size_t)len);
		*out_len = (size_t)len;
	}
	BIO_free(bio); /* wipes it */
	ERR_clear_error();
	return *out ? 0 : -ENOMEM;
}

int tls_make_key(char **key_pem, size_t *key_len)
{
	if (!is_set_up())
		return -ENOMEM;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	BIO *bio = BIO_new(BIO_s_mem());
	int written = key && bio ? PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) : 0;

	EVP_PKEY_free(key);
	return take_text(bio, written, key_pem, key_len);
}

static bool add_name(GENERAL_NAMES *names, int type, const void *data, int len)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_STRING *text = ASN1_STRING_type_new(type == GEN_DNS ? V_ASN1_IA5STRING : V_ASN1_OCTET_STRING);

	if (name && text && ASN1_STRING_set(text, data, len) == 1) {
		GENERAL_NAME_set0_value(name, type, text);
		if (sk_GENERAL_NAME_push(names, name) > 0)
			return true;
		text = NULL;
	}
	GENERAL_NAME_free(name);
	ASN1_STRING_free(text);
	return false;
}

static bool add_names(X509 *x, const char *host)
{
	static const uint8_t v4[4] = {127, 0, 0, 1}, v6[16] = {[15] = 1};
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	bool good = names && add_name(names, GEN_DNS, host, (int)strlen(host)) &&
	            add_name(names, GEN_DNS, "localhost", 9) && add_name(names, GEN_IPADD, v4, sizeof(v4)) &&
	            add_name(names, GEN_IPADD, v6, sizeof(v6)) &&
	            X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, X509V3_ADD_APPEND) == 1;

	GENERAL_NAMES_free(names);
	return good;
}

static bool add_extension(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	bool good = extension && X509_add_ext(x, extension, -1) == 1;

	X509_EXTENSION_free(extension);
	return good;
}

static bool set_serial(X509 *x)
{
	unsigned char bytes[SERIAL_BYTES];

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return false;
	bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40); /* positive, and of full length */
	BIGNUM *n = BN_bin2bn(bytes, sizeof(bytes), NULL);
	bool good = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
	BN_free(n);
	return good;
}

static bool fill_in(X509 *x, EVP_PKEY *key, const char *host, int days)
{
	char common[COMMON_NAME_MAX + 1];
	X509_NAME *name = X509_get_subject_name(x);

	snprintf(common, sizeof(common), "%s", host);
	return X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) &&
	       X509_gmtime_adj(X509_getm_notBefore(x), -HOUR_S) &&
	       X509_gmtime_adj(X509_getm_notAfter(x), (long)days * DAY_S) && X509_set_pubkey(x, key) == 1 &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(x, name) == 1 && add_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_extension(x, NID_key_usage, "critical,digitalSignature") &&
	       add_extension(x, NID_ext_key_usage, "serverAuth") && add_names(x, host) &&
	       X509_sign(x, key, EVP_sha256()) > 0;
}

int tls_make_certificate(const void *key_pem, size_t key_len, const char *host, int days, char **pem, size_t *len)
{
	EVP_PKEY *key = read_key(key_pem, key_len);
	X509 *x = X509_new();
	BIO *bio = BIO_new(BIO_s_mem());

	if (!key) {
		X509_free(x);
		BIO_free(bio);
		return memory_was_out() ? -ENOMEM : -EINVAL;
	}
	int written = x && bio && fill_in(x, key, host, days) ? PEM_write_bio_X509(bio, x) : 0;
	EVP_PKEY_free(key);
	X509_free(x);
	return take_text(bio, written, pem, len);
}
