#include "addresses.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NOBODY UINT32_MAX

struct entry {
	uint64_t host; /* IPv4 address, IPv6 prefix, or user id */
	uint64_t seen_ms;
	uint32_t tokens; /* thousandths of a connection that it may open at once */
	uint32_t connections, logins;
	uint32_t next;         /* in its bucket */
	uint32_t older, newer; /* among those that have no connection and no login */
	uint16_t family;
};

/* invariant: 0 <= idle <= used <= size, and used - idle <= size - ADDRESSES_IDLE_MAX - 1, what the owner said of live
 */
struct addresses {
	uint64_t seed[4];
	uint32_t most, rate;
	uint32_t size, used, idle; /* entries: in all, ever taken, without a connection or login */
	uint32_t oldest, newest;   /* of the idle */
	uint32_t mask;             /* buckets, less one */
	uint32_t *bucket;
	struct entry *entry;
};

static uint32_t power_of_two_from(uint32_t n)
{
	uint32_t power = 1;

	while (power < n)
		power *= 2;
	return power;
}

int addresses_create(struct addresses **out, uint32_t live, uint32_t most, uint32_t rate, const uint64_t seed[4])
{
	struct addresses *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	assert(live < UINT32_MAX / 4 && rate <= ADDRESSES_RATE_MAX);
	*a = (struct addresses){
	    .most = most, .rate = rate, .size = live + ADDRESSES_IDLE_MAX + 1, .oldest = NOBODY, .newest = NOBODY};
	memcpy(a->seed, seed, sizeof(a->seed));
	uint32_t buckets = power_of_two_from(a->size);
	a->mask = buckets - 1;
	a->bucket = calloc(buckets, sizeof(*a->bucket)); /* 0 is an empty one: numbers stand there plus one */
	a->entry = calloc(a->size, sizeof(*a->entry));
	if (!a->bucket || !a->entry) {
		addresses_destroy(a);
		return -ENOMEM;
	}
	*out = a;
	return 0;
}

void addresses_destroy(struct addresses *a)
{
	if (!a)
		return;
	free(a->bucket);
	free(a->entry);
	free(a);
}

static uint64_t host_of(const struct peer *p)
{
	uint64_t host = 0;

	if (p->family == AF_UNIX)
		return p->scope;
	memcpy(&host, p->ip, p->family == AF_INET ? 4 : 8);
	return host;
}

/*
 * Multiply-add-shift with a random seed: of any two keys, the chance to fall together is that of two random numbers
 * (Dietzfelbinger, STACS 1996), whoever has chosen them.
 */
static uint32_t *bucket_of(const struct addresses *a, uint64_t host, uint16_t family)
{
	__extension__ typedef unsigned __int128 wide;
	wide factor = (wide)a->seed[0] << 64 | a->seed[1], addend = (wide)a->seed[2] << 64 | a->seed[3];
	uint64_t hash = (uint64_t)((factor * host + addend * (family + 1U)) >> 64);

	return &a->bucket[(hash >> 32) & a->mask];
}

static bool is_idle(const struct entry *e)
{
	return e->connections == 0 && e->logins == 0;
}

static void leave_idle(struct addresses *a, struct entry *e)
{
	*(e->older == NOBODY ? &a->oldest : &a->entry[e->older].newer) = e->newer;
	*(e->newer == NOBODY ? &a->newest : &a->entry[e->newer].older) = e->older;
	a->idle--;
}

static void join_idle(struct addresses *a, struct entry *e)
{
	uint32_t number = (uint32_t)(e - a->entry);

	e->older = a->newest;
	e->newer = NOBODY;
	*(a->newest == NOBODY ? &a->oldest : &a->entry[a->newest].newer) = number;
	a->newest = number;
	a->idle++;
}

/* Takes the address that has been idle for longest out of the table, for another to have its place. */
static struct entry *forget_oldest(struct addresses *a)
{
	uint32_t number = a->oldest;
	struct entry *e = &a->entry[number];
	uint32_t *link = bucket_of(a, e->host, e->family);

	while (*link != number + 1)
		link = &a->entry[*link - 1].next;
	*link = e->next;
	leave_idle(a, e);
	return e;
}

static struct entry *find(const struct addresses *a, uint64_t host, uint16_t family)
{
	for (uint32_t at = *bucket_of(a, host, family); at; at = a->entry[at - 1].next) {
		struct entry *e = &a->entry[at - 1];
		if (e->host == host && e->family == family)
			return e;
	}
	return NULL;
}

/* The peer's entry, which is among the idle where it has neither connection nor login. */
static struct entry *find_or_make(struct addresses *a, const struct peer *peer, uint64_t now_ms)
{
	uint64_t host = host_of(peer);
	struct entry *e = find(a, host, peer->family);

	if (e)
		return e;
	bool remembers_enough = a->idle >= ADDRESSES_IDLE_MAX || a->used == a->size;
	assert(!remembers_enough || a->idle > 0);
	e = remembers_enough ? forget_oldest(a) : &a->entry[a->used++];
	uint32_t *bucket = bucket_of(a, host, peer->family);
	*e = (struct entry){
	    .host = host, .family = peer->family, .seen_ms = now_ms, .tokens = a->rate * 1000, .next = *bucket};
	*bucket = (uint32_t)(e - a->entry) + 1;
	join_idle(a, e);
	return e;
}

/* Takes one of the connections that the address may open now; false: there is none. */
static bool take_token(const struct addresses *a, struct entry *e, uint64_t now_ms)
{
	uint64_t passed_ms = now_ms > e->seen_ms ? now_ms - e->seen_ms : 0; /* workers' clocks differ by a turn */
	uint64_t full = (uint64_t)a->rate * 1000, more = passed_ms >= 1000 ? full : passed_ms * a->rate;

	if (a->rate == 0)
		return true;
	e->tokens = (uint32_t)(e->tokens + more < full ? e->tokens + more : full);
	e->seen_ms += passed_ms;
	if (e->tokens < 1000)
		return false;
	e->tokens -= 1000;
	return true;
}

static enum addresses_verdict judge(const struct addresses *a, struct entry *e, uint64_t now_ms)
{
	if (!take_token(a, e, now_ms))
		return ADDRESSES_TOO_FAST;
	return a->most && e->connections >= a->most ? ADDRESSES_TOO_MANY : ADDRESSES_IN;
}

enum addresses_verdict addresses_enter(struct addresses *a, const struct peer *peer, uint64_t now_ms)
{
	struct entry *e = find_or_make(a, peer, now_ms);
	enum addresses_verdict verdict = judge(a, e, now_ms);

	if (is_idle(e))
		leave_idle(a, e);
	if (verdict == ADDRESSES_IN)
		e->connections++;
	if (is_idle(e)) /* and not the next to be forgotten */
		join_idle(a, e);
	return verdict;
}

void addresses_leave(struct addresses *a, const struct peer *peer)
{
	struct entry *e = find(a, host_of(peer), peer->family);

	assert(e && e->connections > 0);
	e->connections--;
	if (is_idle(e))
		join_idle(a, e);
}

uint32_t addresses_login(struct addresses *a, const struct peer *peer)
{
	struct entry *e = find(a, host_of(peer), peer->family);

	if (!e) /* with a full second's worth of connections: the time makes no difference */
		e = find_or_make(a, peer, 0);
	if (is_idle(e))
		leave_idle(a, e);
	e->logins++;
	return (uint32_t)(e - a->entry);
}

void addresses_login_over(struct addresses *a, uint32_t number)
{
	struct entry *e = &a->entry[number];

	assert(e->logins > 0);
	e->logins--;
	if (is_idle(e))
		join_idle(a, e);
}

uint32_t addresses_logins(const struct addresses *a, uint32_t number)
{
	return a->entry[number].logins;
}

uint32_t addresses_live(const struct addresses *a)
{
	return a->used - a->idle;
}
