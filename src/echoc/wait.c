#include "wait.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stddef.h>

#include "clock.h"

uint64_t wait_now_ms(void)
{
	return clock_now_ns() / 1000000;
}

int wait_poll_ms(uint64_t until_ms)
{
	uint64_t now = wait_now_ms();

	if (until_ms == WAIT_FOR_EVER)
		return -1;
	if (until_ms <= now)
		return 0;
	return until_ms - now < INT_MAX ? (int)(until_ms - now) : INT_MAX;
}

int wait_ready(int fd, short events, uint64_t until_ms)
{
	struct pollfd p = {.fd = fd, .events = events};

	for (;;) {
		int n = poll(&p, 1, wait_poll_ms(until_ms));
		if (n > 0)
			return 0;
		if (n == 0 && wait_now_ms() >= until_ms)
			return -ETIMEDOUT;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

void wait_sleep_ms(uint64_t ms)
{
	uint64_t until = wait_now_ms() + ms;

	while (wait_now_ms() < until)
		(void)poll(NULL, 0, wait_poll_ms(until));
}
