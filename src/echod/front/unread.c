#include "unread.h"

#include <linux/sock_diag.h>
#include <sys/socket.h>

#include "closing.h"
#include "worker.h"

/* Of a connection whose client does not take what is sent to it; 0 for any other. */
static uint64_t memory_of(const struct connection *c)
{
	uint32_t memory[SK_MEMINFO_VARS] = {0};
	socklen_t len = sizeof(memory);

	if (c->stage != STAGE_ECHO || !stream_holds(&c->stream) ||
	    getsockopt(c->stream.source.fd, SOL_SOCKET, SO_MEMINFO, memory, &len) < 0)
		return 0;
	return (uint64_t)memory[SK_MEMINFO_RMEM_ALLOC] + memory[SK_MEMINFO_WMEM_QUEUED];
}

/* This worker's part, and how many connections it is of. */
static uint64_t add_up(struct worker *w, uint32_t *count)
{
	uint64_t sum = 0;

	*count = 0;
	for (struct connection *c = w->connections.next; c != &w->connections; c = c->next) {
		uint64_t bytes = memory_of(c);
		sum += bytes;
		*count += bytes > 0;
	}
	atomic_store_explicit(&w->counters->unread, sum, memory_order_relaxed);
	return sum;
}

static uint64_t sum_of_all(const struct front *front)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < front->config.workers; i++)
		sum += counters_get(&front->counters->worker[i].unread);
	return sum;
}

/* Whoever is within an even share stays: so this ends as soon as the sum is within the limit, and never ends all. */
static void reset_the_largest(struct worker *w, uint64_t sum, uint64_t limit, uint32_t count)
{
	uint64_t share = limit / count;

	for (struct connection *c = w->connections.next, *next; c != &w->connections && sum > limit; c = next) {
		uint64_t bytes = memory_of(c);
		next = c->next;
		if (bytes <= share)
			continue;
		sum -= bytes < sum ? bytes : sum;
		closing_reset(c, CLOSE_MEMORY);
	}
}

static void look(struct deadline *d)
{
	struct worker *w = container_of(d, struct worker, unread);
	uint64_t limit = w->front->config.unread_bytes;
	uint32_t count;
	uint64_t sum = add_up(w, &count);

	if (count == 0)
		return;
	/* What the others leave of the limit is ours, and in any case an even part of it. */
	uint64_t others = sum_of_all(w->front) - sum, even = limit / w->front->config.workers;
	uint64_t own = others < limit - even ? limit - others : even;
	if (limit && sum > own)
		reset_the_largest(w, sum, own, count);
	loop_arm(&w->loop, d, UNREAD_MS);
}

static void begins_to_hold(struct stream_pool *pool)
{
	struct worker *w = container_of(pool->loop, struct worker, loop); /* of plain and of wrapped streams */

	if (!deadline_armed(&w->unread))
		loop_arm(&w->loop, &w->unread, UNREAD_MS);
}

void unread_init(struct worker *w)
{
	deadline_init(&w->unread, look);
	w->pool.held = begins_to_hold;
}
