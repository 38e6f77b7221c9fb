#include "ping_dial.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "wait.h"

int ping_dial_init(struct ping_dial *d, struct reach *reach)
{
	*d = (struct ping_dial){.reach = reach, .ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	return d->ended < 0 ? -errno : 0;
}

void ping_dial_fini(struct ping_dial *d)
{
	close(d->ended);
}

static void *run(void *arg)
{
	struct ping_dial *d = arg;
	uint64_t one = 1;

	d->reached = reach_try(d->reach, d->until_ms, &d->channel, &d->trouble);
	(void)!write(d->ended, &one, sizeof(one));
	return NULL;
}

int ping_dial_begin(struct ping_dial *d, uint64_t limit_ms)
{
	d->until_ms = wait_now_ms() + limit_ms;
	int err = pthread_create(&d->thread, NULL, run, d);
	d->under_way = !err;
	return -err;
}

void ping_dial_end(struct ping_dial *d)
{
	uint64_t n;

	pthread_join(d->thread, NULL);
	(void)!read(d->ended, &n, sizeof(n));
	d->under_way = false;
}
