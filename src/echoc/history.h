/*
 * The lines that were typed in talks: ~/.local/state/echoc/history, a line each. Several processes may have it open:
 * each adds its own lines, and none loses those of another.
 */
#ifndef ECHOC_HISTORY_H
#define ECHOC_HISTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "must.h"
#include "secret.h"

#define HISTORY_LINES 1000 /* kept from one start to the next */

/* Whether a line, without its LF, may be kept: none that begins with a blank, is empty or very long, or has a secret in
 * it: this password, or what in the dialogue would be one. */
bool history_may_keep(const char *line, size_t len, const struct secret *);

/* Cuts the file to its last lines, and gives them to take, the oldest first. Returns 0 or a negative errno. */
int history_load(void (*take)(void *context, const char *line, size_t len), void *context) MUST_CHECK;

/* Adds a line without its LF. Returns 0 or a negative errno. */
int history_add(const char *line, size_t len) MUST_CHECK;

#endif
