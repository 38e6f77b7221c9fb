/* What sessions are made from. Only tls.c and tls_context.c include this. */
#ifndef NET_TLS_CONTEXT_H
#define NET_TLS_CONTEXT_H

#include <openssl/ssl.h>

#include "tls.h"

struct tls_context {
	SSL_CTX *ssl;
	bool is_server;
};

/* Writes the pin of a certificate's key. Returns 0 or -ENOENT. */
int tls_context_pin_of(X509 *, char pin[TLS_PIN_MAX]) MUST_CHECK;
/* What the listener of a server's session speaks. */
const char *tls_context_alpn(SSL *);
/* OpenSSL's last error as a clause, and forgets all of them. */
void tls_context_last_error(char why[TLS_WHY_MAX]);

#endif
