#include "keeper.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"

#define AGAIN_MS 100

static void watch_link(struct deadline *again);

void keeper_init(struct keeper *k, struct loop *loop)
{
	*k = (struct keeper){.loop = loop, .source.fd = -1, .free_count = KEEPER_SLOTS};
	for (uint16_t i = 0; i < KEEPER_SLOTS; i++)
		k->free_slots[i] = (uint16_t)(KEEPER_SLOTS - 1 - i);
	deadline_init(&k->again, watch_link);
}

static void drop_ask(struct keeper *k, int slot)
{
	if (!k->slot[slot].ask)
		return;
	explicit_bzero(k->slot[slot].ask, sizeof(struct ask));
	free(k->slot[slot].ask);
	k->slot[slot].ask = NULL;
}

/* A question that is not sent yet stays in the ring with its slot, which is given away only behind it. */
void keeper_forget(struct keeper *k, int slot)
{
	k->slot[slot].connection = NULL;
	k->slot[slot].sequence++;
	if (!k->slot[slot].ask)
		k->free_slots[k->free_count++] = (uint16_t)slot;
}

/* Takes the first question off the ring. */
static void unsent_done(struct keeper *k)
{
	int slot = k->unsent[k->unsent_first];

	drop_ask(k, slot);
	k->unsent_first = (k->unsent_first + 1) % KEEPER_SLOTS;
	k->unsent_count--;
	if (!k->slot[slot].connection)
		k->free_slots[k->free_count++] = (uint16_t)slot;
}

static void answer(struct keeper *k, uint32_t slot, const struct verdict *verdict)
{
	struct connection *c = k->slot[slot].connection;
	keeper_answered *answered = k->slot[slot].answered;

	keeper_forget(k, (int)slot);
	answered(c, verdict);
}

static void drop_link(struct keeper *k)
{
	static const struct verdict unavailable = {.answer = ANSWER_UNAVAILABLE};

	if (k->source.fd < 0)
		return;
	loop_disarm(k->loop, &k->again);
	loop_remove(k->loop, &k->source);
	close(k->source.fd);
	k->source.fd = -1;
	while (k->unsent_count > 0)
		unsent_done(k);
	for (uint32_t i = 0; i < KEEPER_SLOTS; i++) {
		if (k->slot[i].connection)
			answer(k, i, &unavailable);
	}
}

static bool would_wait(int err)
{
	return err == -EAGAIN || err == -ENOBUFS || err == -ENOMEM;
}

/* Sends what waits, of those that still want to know. */
static void send_unsent(struct keeper *k)
{
	while (k->unsent_count > 0) {
		int slot = k->unsent[k->unsent_first];
		if (k->slot[slot].connection &&
		    would_wait(channel_send(k->source.fd, k->slot[slot].ask, sizeof(struct ask), -1, 1)))
			return;
		unsent_done(k); /* sent, or the link is broken, which reading tells */
	}
	loop_change(k->loop, &k->source, EPOLLIN);
}

static void link_ready(struct loop_source *source, uint32_t events)
{
	struct keeper *k = container_of(source, struct keeper, source);
	struct verdict verdict;

	if (events & EPOLLOUT)
		send_unsent(k);
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	int err = channel_receive(source->fd, &verdict, sizeof(verdict), NULL, 1);
	if (would_wait(err))
		return;
	if (err) {
		drop_link(k);
		return;
	}
	uint32_t slot = (uint32_t)verdict.id, sequence = (uint32_t)(verdict.id >> 32);
	verdict.name[sizeof(verdict.name) - 1] = '\0';
	verdict.news[sizeof(verdict.news) - 1] = '\0';
	verdict.token[sizeof(verdict.token) - 1] = '\0';
	verdict.used[sizeof(verdict.used) - 1] = '\0';
	verdict.issued[sizeof(verdict.issued) - 1] = '\0';
	if (slot < KEEPER_SLOTS && k->slot[slot].connection && k->slot[slot].sequence == sequence)
		answer(k, slot, &verdict);
	explicit_bzero(&verdict, sizeof(verdict)); /* it may hold a token */
}

/* Nobody joins a link anew, so it is not given up for want of memory. */
static void watch_link(struct deadline *again)
{
	struct keeper *k = container_of(again, struct keeper, again);

	uint32_t events = k->unsent_count > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN;

	if (loop_add(k->loop, &k->source, events))
		loop_arm(k->loop, again, AGAIN_MS);
}

void keeper_replace(struct keeper *k, int fd)
{
	drop_link(k);
	k->source = (struct loop_source){.fd = fd, .ready = link_ready};
	watch_link(&k->again);
}

/* Keeps a question until the keeper takes it. */
static int keep_unsent(struct keeper *k, uint16_t slot, const struct ask *ask)
{
	struct ask *kept = malloc(sizeof(*kept));

	if (!kept)
		return -EAGAIN;
	*kept = *ask;
	k->slot[slot].ask = kept;
	k->unsent[(k->unsent_first + k->unsent_count++) % KEEPER_SLOTS] = slot;
	loop_change(k->loop, &k->source, EPOLLIN | EPOLLOUT);
	return 0;
}

int keeper_ask(struct keeper *k, struct ask *ask, struct connection *c, keeper_answered *answered)
{
	if (k->source.fd < 0)
		return -ENOTCONN;
	if (k->free_count == 0)
		return -EAGAIN;
	uint16_t slot = k->free_slots[k->free_count - 1];
	ask->id = (uint64_t)k->slot[slot].sequence << 32 | slot;
	int err = k->unsent_count > 0 ? -EAGAIN : channel_send(k->source.fd, ask, sizeof(*ask), -1, 1);
	if (would_wait(err))
		err = keep_unsent(k, slot, ask);
	if (err)
		return err == -EAGAIN ? -EAGAIN : -ENOTCONN;
	k->free_count--;
	k->slot[slot].connection = c;
	k->slot[slot].answered = answered;
	return slot;
}
