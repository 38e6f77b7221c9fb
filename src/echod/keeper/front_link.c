#include "front_link.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "channel.h"
#include "password.h"

#define AGAIN_MS 100

/* A verdict may hold a token. */
static void forget(struct judge_case *jc)
{
	password_wipe(jc->verdict.token, sizeof(jc->verdict.token));
	free(jc);
}

static void drop(struct front_link *l)
{
	if (l->source.fd < 0)
		return;
	loop_disarm(l->loop, &l->again);
	loop_remove(l->loop, &l->source);
	close(l->source.fd);
	l->source.fd = -1;
	l->generation++;
	while (l->unsent) {
		struct pool_job *job = l->unsent;
		l->unsent = job->next;
		forget(container_of(job, struct judge_case, job));
	}
	l->unsent_end = &l->unsent;
}

static bool is_passing(int err)
{
	return err == -EAGAIN || err == -ENOBUFS || err == -ENOMEM;
}

/* Sends what verdicts there are; the rest waits for room. */
static void send_verdicts(struct front_link *l)
{
	while (l->unsent) {
		struct judge_case *jc = container_of(l->unsent, struct judge_case, job);
		int err = channel_send(l->source.fd, &jc->verdict, sizeof(jc->verdict), -1, 1);
		if (is_passing(err)) {
			l->waits = true;
			loop_change(l->loop, &l->source, EPOLLOUT);
			return;
		}
		if (err) {
			drop(l);
			return;
		}
		l->unsent = jc->job.next;
		forget(jc);
	}
	l->unsent_end = &l->unsent;
	if (l->waits)
		loop_change(l->loop, &l->source, EPOLLIN);
	l->waits = false;
}

void front_link_deliver(struct front_link *l, struct judge_case *jc)
{
	if (l->source.fd < 0 || l->generation != jc->generation) {
		forget(jc); /* the front that asked is gone */
		return;
	}
	bool was_empty = l->unsent == NULL;
	jc->job.next = NULL;
	*l->unsent_end = &jc->job;
	l->unsent_end = &jc->job.next;
	if (was_empty)
		send_verdicts(l);
}

static void ready(struct loop_source *source, uint32_t events)
{
	struct front_link *l = container_of(source, struct front_link, source);

	if (events & EPOLLOUT)
		send_verdicts(l);
	if (l->source.fd < 0 || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	struct ask ask;
	int err = channel_receive(l->source.fd, &ask, sizeof(ask), NULL, 1);
	if (!err)
		l->asked(l, &ask);
	else if (!is_passing(err)) /* those pass, and nobody joins a link anew */
		drop(l);
	password_wipe(&ask, sizeof(ask));
}

/* Nobody joins a link anew, so it is not given up for want of memory. */
static void watch_again(struct deadline *again)
{
	front_link_watch(container_of(again, struct front_link, again));
}

void front_link_watch(struct front_link *l)
{
	if (l->source.fd >= 0 && loop_add(l->loop, &l->source, EPOLLIN))
		loop_arm(l->loop, &l->again, AGAIN_MS);
}

void front_link_replace(struct front_link *l, int fd)
{
	drop(l);
	l->waits = false;
	l->source = (struct loop_source){.fd = fd, .ready = ready};
}

void front_link_init(struct front_link *l, struct loop *loop, uint32_t index,
                     void (*asked)(struct front_link *, const struct ask *))
{
	*l = (struct front_link){.source.fd = -1, .loop = loop, .asked = asked, .index = index};
	l->unsent_end = &l->unsent;
	deadline_init(&l->again, watch_again);
}
