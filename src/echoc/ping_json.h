/* What a ping has seen as JSON (RFC 8259), each object on a line of its own. */
#ifndef ECHOC_PING_JSON_H
#define ECHOC_PING_JSON_H

#include <stdio.h>

#include "ping_event.h"
#include "ping_measures.h"

/* --json-stream: what is known before the first probe; then an object a probe and an event. */
void ping_json_start(FILE *, const struct ping_measures *);
void ping_json_event(FILE *, const struct ping_measures *, const struct ping_event *);

/* The summary: type `result` where it is final, else `interim`. */
void ping_json_result(FILE *, const struct ping_result *);

#endif
