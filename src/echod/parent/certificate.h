/*
 * The certificate and the key of the TLS listeners: given by --cert and --key, or made and renewed in the state
 * directory. The parent reads and tries them; the front gets them as sealed memory.
 */
#ifndef PARENT_CERTIFICATE_H
#define PARENT_CERTIFICATE_H

#include <limits.h>
#include <stdint.h>

#include "must.h"
#include "pem.h"

#define CERTIFICATE_WHY_MAX 1536

/* Where from: both files, or, both NULL, the server's own in the state directory. */
struct certificate_source {
	const char *cert, *key, *state;
};

enum certificate_news { CERTIFICATE_FOUND, CERTIFICATE_MADE, CERTIFICATE_RENEWED };

struct certificate {
	int fd;      /* the sealed memory with both, PEM; -1: none */
	size_t size; /* of it, in bytes */
	struct pem_facts facts;
	enum certificate_news news;
	char path[PATH_MAX]; /* of the certificate */
};

/*
 * Reads it, makes or renews it where it is the server's own, and tries it. Returns 0; or -1 with one sentence in why,
 * and fd is -1.
 */
int certificate_open(struct certificate *, const struct certificate_source *, char why[CERTIFICATE_WHY_MAX]) MUST_CHECK;
void certificate_close(struct certificate *);
bool certificate_has_ended(const struct certificate *);

#endif
