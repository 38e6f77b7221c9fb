#include "reach_thread.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "wait.h"

int reach_thread_init(struct reach_thread *d, struct reach *reach)
{
	*d = (struct reach_thread){.reach = reach, .ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	return d->ended < 0 ? -errno : 0;
}

void reach_thread_fini(struct reach_thread *d)
{
	close(d->ended);
}

static void *run(void *arg)
{
	struct reach_thread *d = arg;
	uint64_t one = 1;

	d->reached = reach_try(d->reach, d->until_ms, &d->channel, &d->trouble);
	(void)!write(d->ended, &one, sizeof(one));
	return NULL;
}

int reach_thread_begin(struct reach_thread *d, uint64_t limit_ms)
{
	d->until_ms = wait_now_ms() + limit_ms;
	int err = pthread_create(&d->thread, NULL, run, d);
	d->under_way = !err;
	return -err;
}

void reach_thread_end(struct reach_thread *d)
{
	uint64_t n;

	pthread_join(d->thread, NULL);
	(void)!read(d->ended, &n, sizeof(n));
	d->under_way = false;
}
