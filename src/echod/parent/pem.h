/* A certificate and its key as PEM text: read, joined, tried, handed over, wiped. */
#ifndef PARENT_PEM_H
#define PARENT_PEM_H

#include <stddef.h>
#include <stdint.h>

#include "must.h"
#include "tls.h"

#define PEM_MAX (1024 * 1024) /* a chain has a few KiB */

/* Text on the heap, wiped by pem_wipe before it is freed. */
struct pem {
	char *text;
	size_t len;
};

/* What a certificate and its key tell. */
struct pem_facts {
	char pin[TLS_PIN_MAX];
	int64_t not_after; /* seconds since 1970 */
};

/*
 * Reads a file of an open folder (AT_FDCWD: any path), with more flags for open(2). Returns 0, -EINVAL for what is no
 * file of at most PEM_MAX bytes, or another negative errno. Never waits.
 */
int pem_read(struct pem *, int folder, const char *name, int flags) MUST_CHECK;
/* The same for a key: -EPERM where others than its owner may change it, or all may read it (a group may). */
int pem_read_key(struct pem *, int folder, const char *name, int flags) MUST_CHECK;
/* What a read's negative errno means, as a clause, with what to do where there is something. */
const char *pem_why(int err);

/* Both, one behind the other, into a new text. Returns 0 or -ENOMEM. */
int pem_join(struct pem *, const struct pem *, const struct pem *) MUST_CHECK;
/* Whether TLS can be served with it: 0, or a negative errno with a clause in why. */
int pem_try(const struct pem *, struct pem_facts *, char why[TLS_WHY_MAX]) MUST_CHECK;
/* Memory that holds it, sealed against change; a descriptor or a negative errno. */
int pem_seal(const struct pem *) MUST_CHECK;
/* Harmless on an empty one. */
void pem_wipe(struct pem *);

#endif
