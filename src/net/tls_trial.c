#include "tls_trial.h"

/* Both ends each go on as far as they can: three turns, and one more for each 17 KiB of a certificate's chain. */
#define TURNS_MAX 100

/* Returns whether that end has not failed; *done counts those that are through. */
static bool take_turn(SSL *ssl, int *done)
{
	int rc = SSL_do_handshake(ssl), error = SSL_get_error(ssl, rc);

	if (rc == 1)
		(*done)++;
	return rc == 1 || error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

static bool shake(SSL *server, SSL *client)
{
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	for (int turn = 0; turn < TURNS_MAX; turn++) {
		int done = 0;
		if (!take_turn(client, &done) || !take_turn(server, &done))
			return false;
		if (done == 2)
			return true;
	}
	return false;
}

bool tls_trial_succeeds(SSL_CTX *server, SSL_CTX *client)
{
	SSL *one = SSL_new(server), *other = SSL_new(client);
	BIO *one_wire = NULL, *other_wire = NULL;
	bool good = one && other && BIO_new_bio_pair(&one_wire, 0, &other_wire, 0) == 1;

	if (good) {
		SSL_set_bio(one, one_wire, one_wire);
		SSL_set_bio(other, other_wire, other_wire);
		good = shake(one, other);
	}
	SSL_free(one);
	SSL_free(other);
	return good;
}
