/* Waiting with a time limit. Times are milliseconds of the monotonic clock. */
#ifndef ECHOC_WAIT_H
#define ECHOC_WAIT_H

#include <stdint.h>

#include "must.h"

#define WAIT_FOR_EVER UINT64_MAX

uint64_t wait_now_ms(void);

/* What poll(2) takes for waiting until until_ms: 0 when that is past, -1 for WAIT_FOR_EVER. */
int wait_poll_ms(uint64_t until_ms);

/* Waits until fd has one of the poll events, or until_ms. Returns 0, -ETIMEDOUT or another negative errno. */
int wait_ready(int fd, short events, uint64_t until_ms) MUST_CHECK;

void wait_sleep_ms(uint64_t ms);

#endif
