#include "loop.h"

#include <errno.h>
#include <unistd.h>

#include "clock.h"

int loop_init(struct loop *loop)
{
	loop->stopping = false;
	spin_init(&loop->spin, 0);
	loop->count = loop->at = 0;
	loop->now_ms = clock_coarse_ms();
	deadline_wheel_init(&loop->wheel, loop->now_ms);
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	return loop->epoll < 0 ? -errno : 0;
}

void loop_fini(struct loop *loop)
{
	close(loop->epoll);
	loop->epoll = -1;
}

int loop_add(struct loop *loop, struct loop_source *source, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = source};

	return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, source->fd, &event) < 0 ? -errno : 0;
}

void loop_change(struct loop *loop, struct loop_source *source, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = source};

	/* Cannot fail for a watched descriptor: nothing is allocated. */
	(void)epoll_ctl(loop->epoll, EPOLL_CTL_MOD, source->fd, &event);
}

void loop_forget(struct loop *loop, struct loop_source *source)
{
	for (int i = loop->at; i < loop->count; i++) {
		if (loop->batch[i].data.ptr == source)
			loop->batch[i].data.ptr = NULL;
	}
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
	(void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
	loop_forget(loop, source);
}

void loop_arm(struct loop *loop, struct deadline *d, uint64_t after_ms)
{
	deadline_arm(&loop->wheel, d, loop->now_ms + after_ms);
}

void loop_disarm(struct loop *loop, struct deadline *d)
{
	deadline_disarm(&loop->wheel, d);
}

/* Without busy polling no clock is read for it. */
static int wait_for_events(struct loop *loop)
{
	int wait_ms = deadline_wait_ms(&loop->wheel, loop->now_ms);

	return loop->spin.most_ns && wait_ms ? spin_wait(&loop->spin, loop->epoll, loop->batch, LOOP_BATCH, wait_ms)
	                                     : epoll_wait(loop->epoll, loop->batch, LOOP_BATCH, wait_ms);
}

int loop_run(struct loop *loop)
{
	while (!loop->stopping) {
		int n = wait_for_events(loop);
		if (n < 0 && errno != EINTR)
			return -errno;
		loop->now_ms = clock_coarse_ms();
		loop->count = n > 0 ? n : 0;
		for (loop->at = 0; loop->at < loop->count;) {
			struct epoll_event *event = &loop->batch[loop->at++];
			struct loop_source *source = event->data.ptr;
			if (source)
				source->ready(source, event->events);
		}
		loop->count = loop->at = 0;
		deadline_advance(&loop->wheel, loop->now_ms);
	}
	return 0;
}

void loop_stop(struct loop *loop)
{
	loop->stopping = true;
}
