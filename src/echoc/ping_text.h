/* What a ping says to a person: lines and the summary. */
#ifndef ECHOC_PING_TEXT_H
#define ECHOC_PING_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "ping_event.h"
#include "ping_measures.h"

#define PING_STATUS_MAX 512

/* The line that is said first; and, when the first echo is there or is not waited for, that of the phases. */
void ping_text_head(FILE *, const struct ping_measures *);
void ping_text_phases(FILE *, const struct ping_measures *);

/* Whether a person is told of it, beside the probes' own lines. */
bool ping_text_is_event(enum ping_event_kind);
/* A line on what happened; nothing where it is neither a probe that came back nor such an event. */
void ping_text_event(FILE *, const struct ping_measures *, const struct ping_event *);

/* The summary, in several lines. */
void ping_text_summary(FILE *, const struct ping_result *);

/* The line beneath the picture. */
void ping_text_status(char text[PING_STATUS_MAX], const struct ping_result *);

#endif
