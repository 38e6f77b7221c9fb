/* The server's end: politely, at once, or because it could not begin. */
#ifndef PARENT_ENDING_H
#define PARENT_ENDING_H

#include "run.h"

void ending_init(struct run *);
/* No new connections; when the front has no connection left, the end begins. Once only. */
void ending_drain(struct run *);
/* Nobody is served any more: the children see our ends close, and go. Harmless when it has begun. */
void ending_begin(struct run *);
/* The same, with no time for anybody. The exit status says so. */
void ending_force(struct run *);

#endif
