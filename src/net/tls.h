/*
 * TLS as values: wire bytes in, plain bytes out, and the reverse. No descriptor and no clock of its own: whoever drives
 * a session receives and sends. OpenSSL 3, TLS 1.3 only, Mozilla's modern settings (Server Side TLS 5.7), no
 * renegotiation, no early data, no tickets.
 *
 *     tls_feed    wire bytes that came; they stay the caller's, and are used up by the calls below
 *     tls_shake   the handshake, until it is done
 *     tls_read    plain bytes of what was fed
 *     tls_write   plain bytes to wire bytes
 *     tls_end     our direction's end, close_notify; the other direction goes on (RFC 8446, 6.1)
 *
 * A session belongs to one thread at a time; a context may be shared by threads once it is made.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "must.h"

#define TLS_PIN_MAX 52  /* `SHA256:`, 43 or 44 characters of base64, NUL */
#define TLS_WHY_MAX 256 /* one clause about what failed */

/* The protocols that our listeners speak, by ALPN (RFC 7301): against one being taken for the other. */
#define TLS_ALPN_LOGIN "echo-login/1"
#define TLS_ALPN_ECHO  "echo/1"

/* Room that a wire buffer must have for len plain bytes: 22 bytes a record of 16 KiB, and for what the session has to
 * say besides: a handshake's flight with a certificate chain is a few KiB (measured: 1 KiB for one's own P-256). */
#define TLS_WIRE_MAX(len) ((len) + ((len) / 16384 + 1) * 64 + 32768)

struct tls_context;
struct tls;

/* Wire bytes to be sent; a call adds to them. cap - len must be TLS_WIRE_MAX of what is written. */
struct tls_wire {
	uint8_t *buf;
	size_t len, cap;
};

/*
 * A server's settings: pem holds the certificate, its chain, and the key, in any order. A handshake has been tried with
 * them. Returns 0, or -ENOMEM, or -EINVAL with a clause in why (`the key does not belong to the certificate`).
 */
int tls_context_open_server(struct tls_context **, const void *pem, size_t len, char why[TLS_WHY_MAX]) MUST_CHECK;
/* A client's: trusts the machine's authorities, and says whether it does with tls_trouble. Returns 0 or -ENOMEM. */
int tls_context_open_client(struct tls_context **) MUST_CHECK;
/* Sessions that are open go on. NULL is harmless. */
void tls_context_close(struct tls_context *);
/* Another owner, who closes it too. */
struct tls_context *tls_context_share(struct tls_context *);
/* The server's own key, as tls_pin gives it to its clients; and the end of its certificate, in seconds since 1970. */
int tls_context_pin(const struct tls_context *, char pin[TLS_PIN_MAX]) MUST_CHECK;
int64_t tls_context_not_after(const struct tls_context *);

/* alpn: what this listener speaks; a client that offers only others is refused, one that offers none is not. */
int tls_open_server(struct tls **, struct tls_context *, const char *alpn) MUST_CHECK;
/* host: a DNS name or an address, for the check of the certificate and for SNI. Both return 0 or -ENOMEM. */
int tls_open_client(struct tls **, struct tls_context *, const char *host, const char *alpn) MUST_CHECK;
/* Wipes and frees. NULL is harmless. */
void tls_close(struct tls *);

/*
 * Gives len bytes that came. What the calls below leave of it must be kept with tls_keep before data goes away; that
 * happens only at the end of the handshake, and where tls_read was given little room.
 */
void tls_feed(struct tls *, const uint8_t *data, size_t len);
/* Copies what is left of what was fed. Returns 0 or -ENOMEM. */
int tls_keep(struct tls *) MUST_CHECK;
/* Whether tls_read has something to do without being fed. */
bool tls_pending(const struct tls *);

enum tls_result {
	TLS_DONE,  /* of the handshake; or of tls_read: *got > 0 bytes */
	TLS_MORE,  /* wants to be fed; nothing is left */
	TLS_ENDED, /* the other side's close_notify: no more will come */
	TLS_FAILED /* tls_why tells; out may hold an alert for the other side */
};

enum tls_result tls_shake(struct tls *, struct tls_wire *out) MUST_CHECK;
/* cap > 0. What the session itself has to answer, a key update, waits for the next tls_write or tls_end. */
enum tls_result tls_read(struct tls *, uint8_t *plain, size_t cap, size_t *got) MUST_CHECK;
/* Returns 0, or -EPROTO when the session has failed, or -ENOMEM. len may be 0: says what the session has to say. */
int tls_write(struct tls *, const void *plain, size_t len, struct tls_wire *out) MUST_CHECK;
/* Returns 0 or -EPROTO. A second call says nothing more. */
int tls_end(struct tls *, struct tls_wire *out) MUST_CHECK;

/* Whether plain bytes are wiped inside the session once tls_read has given them: while they may be secrets. Off at
 * first. */
void tls_wipe_plain(struct tls *, bool);

/* A clause about the last TLS_FAILED, as `wrong version number`. */
const char *tls_why(const struct tls *);
/* A client's, after the handshake: why the certificate is not trusted for host, as a clause; NULL when it is. */
const char *tls_trouble(const struct tls *);
/* SHA-256 of the other side's public key (SubjectPublicKeyInfo, as RFC 7469's pins). Returns 0 or -ENOENT. */
int tls_pin(const struct tls *, char pin[TLS_PIN_MAX]) MUST_CHECK;
/* Whether a and b, written by people, are the same pin: `SHA256:` and base64 with or without its padding. */
bool tls_pin_same(const char *a, const char *b);
/* As `TLSv1.3, TLS_AES_128_GCM_SHA256`, into text of cap bytes. */
void tls_describe(const struct tls *, char *text, size_t cap);

/*
 * For a server that has no certificate: a key (ECDSA P-256, PEM), and a self-signed certificate of it (PEM) for host
 * and this machine's loopback names, good from an hour ago for days. The caller frees, and wipes the key. 0, -ENOMEM
 * or -EINVAL.
 */
int tls_make_key(char **key_pem, size_t *key_len) MUST_CHECK;
int tls_make_certificate(const void *key_pem, size_t key_len, const char *host, int days, char **pem,
                         size_t *len) MUST_CHECK;

#endif
