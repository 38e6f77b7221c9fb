#include "gate.h"

#include <string.h>

void gate_init(struct gate *g)
{
	g->under_way = g->waiting = 0;
	for (int i = 0; i < GATE_LANES; i++) {
		g->lane[i].first = NULL;
		g->lane[i].end = &g->lane[i].first;
	}
}

static void put(struct gate *g, enum gate_lane lane, struct gate_pass *p)
{
	p->next = NULL;
	*g->lane[lane].end = p;
	g->lane[lane].end = &p->next;
	g->waiting++;
}

/* Takes off the pass that *link leads to. */
static struct gate_pass *take(struct gate *g, enum gate_lane lane, struct gate_pass **link)
{
	struct gate_pass *p = *link;

	*link = p->next;
	if (!p->next)
		g->lane[lane].end = link;
	g->waiting--;
	return p;
}

/* At most GATE_WAITING are looked at, as in everything here that looks at all. */
static unsigned waiting_of(const struct gate *g, const struct throttle_claim *c)
{
	unsigned count = 0;

	for (int i = 0; i < GATE_LANES; i++) {
		for (const struct gate_pass *p = g->lane[i].first; p; p = p->next)
			count += memcmp(p->claim.address, c->address, sizeof(c->address)) == 0;
	}
	return count;
}

/* Makes room for an owner by refusing the last of the others. Returns whether there is any. */
static bool push_out_last(struct gate *g)
{
	struct gate_pass **link = &g->lane[GATE_OTHERS].first;

	if (!*link)
		return false;
	while ((*link)->next)
		link = &(*link)->next;
	g->refuse(g, take(g, GATE_OTHERS, link), GATE_BUSY, 0);
	return true;
}

/* Lets one of the lane in whom the throttle lets in, passing over those who wait for others of their budget. */
static bool admit_one(struct gate *g, enum gate_lane lane, uint64_t now_ms)
{
	struct gate_pass **link = &g->lane[lane].first;
	uint64_t wait_ms;

	while (*link) {
		switch (throttle_take(g->throttle, &(*link)->claim, now_ms, &wait_ms)) {
		case THROTTLE_GO:
			g->under_way++;
			g->enter(g, take(g, lane, link));
			return true;
		case THROTTLE_WAIT: link = &(*link)->next; break;
		case THROTTLE_NO: g->refuse(g, take(g, lane, link), GATE_PENALTY, wait_ms); break;
		}
	}
	return false;
}

static void admit(struct gate *g, uint64_t now_ms)
{
	while (g->under_way < g->room && (admit_one(g, GATE_OWNERS, now_ms) || admit_one(g, GATE_OTHERS, now_ms)))
		;
}

void gate_ask(struct gate *g, struct gate_pass *p, const struct peer *peer, const char *name, bool counts_address,
              uint64_t now_ms)
{
	uint64_t wait_ms;

	p->claim = throttle_claim(g->throttle, peer, name);
	p->since_ms = now_ms;
	(void)gate_advance(g, now_ms);
	if (throttle_look(g->throttle, &p->claim, now_ms, &wait_ms) == THROTTLE_NO) {
		g->refuse(g, p, GATE_PENALTY, wait_ms);
		return;
	}
	enum gate_lane lane = throttle_knows(g->throttle, &p->claim) ? GATE_OWNERS : GATE_OTHERS;
	if ((counts_address && waiting_of(g, &p->claim) >= GATE_WAITING_ADDRESS) ||
	    (g->waiting >= GATE_WAITING && !(lane == GATE_OWNERS && push_out_last(g)))) {
		g->refuse(g, p, GATE_BUSY, 0);
		return;
	}
	put(g, lane, p);
	admit(g, now_ms);
}

uint64_t gate_end(struct gate *g, struct gate_pass *p, enum throttle_outcome outcome, uint64_t now_ms)
{
	uint64_t delay_ms = throttle_settle(g->throttle, &p->claim, outcome, now_ms);

	g->under_way--;
	admit(g, now_ms);
	return delay_ms;
}

uint64_t gate_advance(struct gate *g, uint64_t now_ms)
{
	uint64_t next_ms = 0;

	for (enum gate_lane lane = 0; lane < GATE_LANES; lane++) {
		struct gate_pass *first;
		while ((first = g->lane[lane].first) && now_ms >= first->since_ms + GATE_WAIT_MS)
			g->refuse(g, take(g, lane, &g->lane[lane].first), GATE_BUSY, 0);
		uint64_t left_ms = first ? first->since_ms + GATE_WAIT_MS - now_ms : 0;
		if (left_ms && (!next_ms || left_ms < next_ms))
			next_ms = left_ms;
	}
	return next_ms;
}

struct gate_pass *gate_withdraw(struct gate *g)
{
	for (enum gate_lane lane = 0; lane < GATE_LANES; lane++) {
		if (g->lane[lane].first)
			return take(g, lane, &g->lane[lane].first);
	}
	return NULL;
}
