/* A server's answer: a JSON document (RFC 8259), checked, shown to a person, or a member taken out of it. */
#ifndef ECHOCTL_ANSWER_H
#define ECHOCTL_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "must.h"

/*
 * Writes a document of len bytes as lines of `key: value`, indented by nesting, fit for a terminal. Overwrites the
 * document on the way. Returns 0, or -EINVAL (not JSON, or nested too deeply); out may be NULL, and then it is only
 * checked.
 */
int answer_show(FILE *out, char *document, size_t len) MUST_CHECK;

/*
 * Copies a member of the document's own, a string's characters or another value as it stands, into text (cap > 0, cut
 * where it is longer). Returns whether there is one. The document has been checked, and stays as it is.
 */
bool answer_member(const char *document, size_t len, const char *key, char *text, size_t cap) MUST_CHECK;

#endif
