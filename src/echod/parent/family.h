/* Front and keeper as the parent's children: what each is given, and what joins them. */
#ifndef PARENT_FAMILY_H
#define PARENT_FAMILY_H

#include "run.h"

/*
 * Starts front or keeper, hands it all that it needs, and joins the two with fresh links. Returns 0 or a negative
 * errno, and then a child that has started all the same is seen to end.
 */
int family_start(struct run *, struct child *) MUST_CHECK;
/* Both write to the parent's reopened log from now on. */
void family_send_log(struct run *);
/* The front makes new sessions with it from now on; nothing where there is none. */
void family_send_certificate(struct run *);
/* Sets the gauges to 0 that a child which has ended cannot count down itself. */
void family_clear_gauges(struct run *, const struct child *);

#endif
