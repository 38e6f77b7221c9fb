#include "reach_thread.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
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

/* Signals are for the thread that waits for them. */
static int start_thread(struct reach_thread *d)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int err = pthread_create(&d->thread, NULL, run, d);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -err;
}

/* What was shown meanwhile is on standard error after it. */
static void end_showing(struct reach_thread *d)
{
	fclose(d->reach->out);
	d->reach->out = stderr;
	fwrite(d->said, 1, d->said_len, stderr);
	free(d->said);
}

int reach_thread_begin(struct reach_thread *d, uint64_t limit_ms)
{
	FILE *out = open_memstream(&d->said, &d->said_len);

	if (!out)
		return -errno;
	d->reach->out = out;
	d->until_ms = limit_ms == WAIT_FOR_EVER ? WAIT_FOR_EVER : wait_now_ms() + limit_ms;
	int err = start_thread(d);
	d->under_way = !err;
	if (err)
		end_showing(d);
	return err;
}

void reach_thread_end(struct reach_thread *d)
{
	uint64_t n;

	pthread_join(d->thread, NULL);
	(void)!read(d->ended, &n, sizeof(n));
	d->under_way = false;
	end_showing(d);
	if (d->reached && d->channel.trace)
		d->channel.trace = stderr;
}

void reach_thread_leave(struct reach_thread *d, int status)
{
	pthread_detach(d->thread);
	_exit(status);
}
