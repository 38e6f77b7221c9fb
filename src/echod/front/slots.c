#include "slots.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct slot {
	struct connection *connection; /* NULL: not bound yet */
	uint64_t taken_at;             /* counts those taken; 0: free */
	uint32_t address;              /* its number in addresses */
	uint32_t generation, worker;
	uint16_t next_free;
	bool going; /* was chosen: counts no more for its address */
};

/* invariant: 0 <= going <= taken <= reach <= size */
struct slots {
	struct addresses *addresses;
	uint64_t counted;
	uint32_t most, size, taken, going;
	uint32_t reach; /* beyond it no slot was ever taken */
	uint16_t first_free;
	struct slot slot[];
};

int slots_create(struct slots **out, struct addresses *addresses, uint32_t most, uint32_t bridge)
{
	assert(most <= SLOTS_MAX && bridge <= SLOTS_MAX);
	uint32_t size = most + bridge;
	struct slots *s = calloc(1, sizeof(*s) + size * sizeof(s->slot[0]));

	if (!s)
		return -ENOMEM;
	*s = (struct slots){.addresses = addresses, .most = most, .size = size};
	for (uint32_t i = 0; i < size; i++)
		s->slot[i].next_free = (uint16_t)(i + 1 < size ? i + 1 : SLOTS_NONE);
	*out = s;
	return 0;
}

void slots_destroy(struct slots *s)
{
	free(s);
}

/* Whether a rather than b has to go: more logins of its address, then the older one. */
static bool goes_first(const struct slots *s, const struct slot *a, const struct slot *b)
{
	uint32_t of_a = addresses_logins(s->addresses, a->address), of_b = addresses_logins(s->addresses, b->address);

	return of_a != of_b ? of_a > of_b : a->taken_at < b->taken_at;
}

/* Looks at every slot: it is asked for only when all are taken, and a thousand take a few microseconds. */
static struct slot *find_first_to_go(struct slots *s)
{
	struct slot *chosen = NULL;

	for (uint32_t i = 0; i < s->reach; i++) {
		struct slot *one = &s->slot[i];
		if (one->taken_at && !one->going && (!chosen || goes_first(s, one, chosen)))
			chosen = one;
	}
	return chosen;
}

bool slots_choose(struct slots *s, struct slots_hold *hold, uint32_t *worker)
{
	struct slot *chosen = s->taken - s->going > s->most ? find_first_to_go(s) : NULL;

	if (!chosen)
		return false;
	chosen->going = true;
	s->going++;
	addresses_login_over(s->addresses, chosen->address);
	*hold = (struct slots_hold){(uint16_t)(chosen - s->slot), chosen->generation};
	*worker = chosen->worker;
	return true;
}

uint16_t slots_take(struct slots *s, const struct peer *peer, uint32_t worker)
{
	uint16_t number = s->first_free;
	struct slot *one = &s->slot[number];

	if (number == SLOTS_NONE)
		return SLOTS_NONE;
	s->first_free = one->next_free;
	s->taken++;
	if (number >= s->reach)
		s->reach = number + 1U;
	*one = (struct slot){.taken_at = ++s->counted,
	                     .worker = worker,
	                     .address = addresses_login(s->addresses, peer),
	                     .generation = one->generation};
	return number;
}

void slots_bind(struct slots *s, uint16_t slot, struct connection *c)
{
	s->slot[slot].connection = c;
}

void slots_move(struct slots *s, uint16_t slot, const struct peer *peer)
{
	struct slot *one = &s->slot[slot];

	if (one->going)
		return;
	addresses_login_over(s->addresses, one->address);
	one->address = addresses_login(s->addresses, peer);
}

void slots_give_back(struct slots *s, uint16_t slot)
{
	struct slot *one = &s->slot[slot];

	assert(one->taken_at && s->taken > 0);
	if (!one->going)
		addresses_login_over(s->addresses, one->address);
	s->going -= one->going;
	s->taken--;
	*one = (struct slot){.generation = one->generation + 1, .next_free = s->first_free};
	s->first_free = slot;
}

struct connection *slots_holder(const struct slots *s, struct slots_hold hold)
{
	const struct slot *one = &s->slot[hold.slot];

	return one->generation == hold.generation ? one->connection : NULL;
}

uint32_t slots_taken(const struct slots *s)
{
	return s->taken;
}
