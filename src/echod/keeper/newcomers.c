#include "newcomers.h"

#include <sodium.h>
#include <string.h>

_Static_assert(crypto_shorthash_KEYBYTES == 16 && crypto_shorthash_BYTES == 8, "SipHash-2-4");

static uint64_t place_of(const struct peer *p)
{
	uint64_t place = 0;

	if (p->family == AF_UNIX)
		return p->scope;
	memcpy(&place, p->ip, p->family == AF_INET6 ? 8 : 4);
	return place;
}

void newcomers_init(struct newcomers *n)
{
	randombytes_buf(n->key, sizeof(n->key));
}

static struct newcomer *set_of(struct newcomers *n, const struct peer *p)
{
	uint64_t words[2] = {place_of(p), p->family}, sum;

	crypto_shorthash((uint8_t *)&sum, (const uint8_t *)words, sizeof(words), n->key);
	return n->set[sum % NEWCOMERS_SETS];
}

static bool is_over(const struct newcomer *c, uint64_t now_ms)
{
	return c->count == 0 || now_ms - c->began_ms >= NEWCOMERS_HOUR_MS;
}

/* The address's entry that is within its hour, or NULL. */
static struct newcomer *find(struct newcomer *set, const struct peer *p, uint64_t now_ms)
{
	for (int i = 0; i < NEWCOMERS_WAYS; i++) {
		struct newcomer *c = &set[i];
		if (!is_over(c, now_ms) && c->family == p->family && c->place == place_of(p))
			return c;
	}
	return NULL;
}

/* One that is over, or the oldest. */
static struct newcomer *make_room(struct newcomer *set, uint64_t now_ms)
{
	struct newcomer *oldest = &set[0];

	for (int i = 0; i < NEWCOMERS_WAYS; i++) {
		if (is_over(&set[i], now_ms))
			return &set[i];
		if (set[i].began_ms < oldest->began_ms)
			oldest = &set[i];
	}
	return oldest;
}

bool newcomers_admit(struct newcomers *n, const struct peer *p, uint32_t limit, uint64_t now_ms)
{
	struct newcomer *set = set_of(n, p), *c = find(set, p, now_ms);

	if (!c) {
		c = make_room(set, now_ms);
		*c = (struct newcomer){.began_ms = now_ms, .place = place_of(p), .family = p->family};
	}
	if (c->count >= limit)
		return false;
	c->count++;
	return true;
}

void newcomers_take_back(struct newcomers *n, const struct peer *p, uint64_t now_ms)
{
	struct newcomer *c = find(set_of(n, p), p, now_ms);

	if (c)
		c->count--;
}
