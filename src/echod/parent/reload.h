/* What is read at the start and again while the server runs: the certificate, and the log's file. */
#ifndef PARENT_RELOAD_H
#define PARENT_RELOAD_H

#include "document.h"
#include "run.h"

/* Reads the certificate, where there is a TLS listener. Returns 0, or -1 after having said why. */
int reload_begin(struct run *) MUST_CHECK;
/*
 * Reads all anew, each all or nothing by itself: a certificate that is no good leaves the old one, and does not keep a
 * log that was rotated from being opened anew. The log says how it went. The result is for who asked:
 * {"reloaded": [...]}, or the first error. The caller frees its text.
 */
struct document reload_all(struct run *);
void reload_end(struct run *);

#endif
