/* JSON (RFC 8259): the pieces that echoctl writes, and a reader that shows a server's document to a person. */
#ifndef ECHOCTL_JSON_H
#define ECHOCTL_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "must.h"

/* Writes text as a JSON string. What is not UTF-8 becomes U+FFFD, and what a terminal would act upon is escaped. */
void json_string(FILE *, const char *text);
/* Writes a time as an RFC 3339 string, or null where there is none (0). */
void json_time(FILE *, int64_t wall_us);

/*
 * Writes a document of len bytes as lines of `key: value`, indented by nesting, fit for a terminal. Overwrites the
 * document on the way. Returns 0, or -EINVAL (not JSON, or nested too deeply); out may be NULL, and then it is only
 * checked.
 */
int json_show(FILE *out, char *document, size_t len) MUST_CHECK;

/*
 * Copies a member of the document's own, a string's characters or another value as it stands, into text (cap > 0, cut
 * where it is longer). Returns whether there is one. The document has been checked, and stays as it is.
 */
bool json_member(const char *document, size_t len, const char *key, char *text, size_t cap) MUST_CHECK;

#endif
