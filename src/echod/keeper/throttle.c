#include "throttle.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

/*
 * A budget as one time: when it will be full again, if nothing fails any more. Each failure puts it off by one refill.
 * (The generic cell rate algorithm, ITU-T I.371; it says the same as a bucket of tokens.)
 */
struct budget {
	struct table_entry entry; /* first; ranked by full_at_ms, or pinned while checks are under way */
	uint64_t full_at_ms;
	uint32_t under_way;
	struct peer from; /* of an address */
};

/* Where a name was logged in to from, the latest first. */
struct known {
	struct table_entry entry; /* first; ranked by the last login */
	uint64_t address[THROTTLE_KNOWN];
};

struct throttle {
	struct throttle_limits limits;
	uint8_t key[THROTTLE_KEY_BYTES];
	struct table addresses, accounts; /* of struct budget */
	struct table known;               /* of struct known */
};

_Static_assert(THROTTLE_KEY_BYTES == crypto_shorthash_siphashx24_KEYBYTES, "the key is SipHash's");

int throttle_create(struct throttle **out, const struct throttle_limits *limits, const uint8_t key[THROTTLE_KEY_BYTES])
{
	struct throttle *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->limits = *limits;
	memcpy(t->key, key, sizeof(t->key));
	if (table_init(&t->addresses, THROTTLE_ENTRIES, sizeof(struct budget)) ||
	    table_init(&t->accounts, THROTTLE_ENTRIES, sizeof(struct budget)) ||
	    table_init(&t->known, THROTTLE_ENTRIES, sizeof(struct known))) {
		throttle_destroy(t);
		return -ENOMEM;
	}
	*out = t;
	return 0;
}

void throttle_destroy(struct throttle *t)
{
	if (!t)
		return;
	table_fini(&t->addresses);
	table_fini(&t->accounts);
	table_fini(&t->known);
	free(t);
}

/* What of a peer counts: whoever has one address of a /64 has them all. */
static struct peer reduced(const struct peer *p)
{
	struct peer r = {.family = p->family};

	if (p->family == AF_INET)
		memcpy(r.ip, p->ip, 4);
	if (p->family == AF_INET6)
		memcpy(r.ip, p->ip, 8);
	if (p->family != AF_INET) /* an IPv6 zone, or a user */
		r.scope = p->scope;
	return r;
}

static void hash(const struct throttle *t, uint64_t out[2], const void *what, size_t len)
{
	_Static_assert(crypto_shorthash_siphashx24_BYTES == 2 * sizeof(uint64_t), "128 bits");
	crypto_shorthash_siphashx24((uint8_t *)out, what, len, t->key);
}

struct throttle_claim throttle_claim(const struct throttle *t, const struct peer *peer, const char *name)
{
	struct throttle_claim c = {.from = reduced(peer), .has_account = name != NULL};
	_Static_assert(sizeof(struct peer) == 2 + 2 + 4 + 16, "no padding is hashed");

	hash(t, c.address, &c.from, sizeof(c.from));
	if (name)
		hash(t, c.account, name, strlen(name));
	return c;
}

static struct budget *budget_of(const struct table *table, const uint64_t key[2])
{
	return (struct budget *)(void *)table_find(table, key);
}

/* How long until the budget is full again. */
static uint64_t debt_ms(const struct budget *b, uint64_t now_ms)
{
	return b && b->full_at_ms > now_ms ? b->full_at_ms - now_ms : 0;
}

/* Whether a budget of so many failures lets one more check be made and leaves `spare` for others. */
static enum throttle_answer afford(const struct budget *b, uint32_t failures, uint32_t spare, uint64_t now_ms,
                                   uint64_t *wait_ms)
{
	uint64_t most_ms = (uint64_t)failures * THROTTLE_REFILL_MS;
	uint64_t wanted_ms = debt_ms(b, now_ms) + (1 + (uint64_t)spare) * THROTTLE_REFILL_MS;

	if (wanted_ms > most_ms) {
		if (*wait_ms < wanted_ms - most_ms)
			*wait_ms = wanted_ms - most_ms;
		return THROTTLE_NO;
	}
	if (b && wanted_ms + (uint64_t)b->under_way * THROTTLE_REFILL_MS > most_ms)
		return THROTTLE_WAIT;
	return THROTTLE_GO;
}

static struct known *known_of(const struct throttle *t, const uint64_t account[2])
{
	return (struct known *)(void *)table_find(&t->known, account);
}

bool throttle_knows(const struct throttle *t, const struct throttle_claim *c)
{
	const struct known *known = known_of(t, c->account);

	for (int i = 0; known && i < THROTTLE_KNOWN; i++) {
		if (known->address[i] == c->address[0])
			return true;
	}
	return false;
}

enum throttle_answer throttle_look(const struct throttle *t, const struct throttle_claim *c, uint64_t now_ms,
                                   uint64_t *wait_ms)
{
	const struct budget *address = budget_of(&t->addresses, c->address);

	*wait_ms = 0;
	enum throttle_answer answer = afford(address, t->limits.address_failures, 0, now_ms, wait_ms);
	if (!c->has_account || throttle_knows(t, c))
		return answer;
	uint32_t spare = t->limits.account_failures > 1 && debt_ms(address, now_ms) > 0;
	enum throttle_answer of_account =
	    afford(budget_of(&t->accounts, c->account), t->limits.account_failures, spare, now_ms, wait_ms);
	return of_account > answer ? of_account : answer;
}

static void rank(struct table *table, struct budget *b, uint64_t now_ms)
{
	if (b->under_way == 0 && b->full_at_ms <= now_ms)
		table_remove(table, &b->entry); /* it is as if it had never been */
	else
		table_set_rank(table, &b->entry, b->under_way > 0 ? TABLE_PINNED : b->full_at_ms);
}

static struct budget *find_or_add(struct table *table, const uint64_t key[2], const struct peer *from, uint64_t now_ms)
{
	struct budget *b = budget_of(table, key);

	if (b)
		return b;
	/* What is full again goes by twos, so that no more stays than there is use for. */
	for (int i = 0; i < 2 && table_lowest(table) && table_lowest(table)->rank <= now_ms; i++)
		table_remove(table, table_lowest(table));
	b = (struct budget *)(void *)table_add(table, key);
	if (b)
		b->from = *from;
	return b;
}

static void begin_check(struct table *table, const uint64_t key[2], const struct peer *from, uint64_t now_ms)
{
	struct budget *b = find_or_add(table, key, from, now_ms);

	if (!b)
		return; /* unreached: THROTTLE_ENTRIES checks are never under way at once */
	b->under_way++;
	rank(table, b, now_ms);
}

enum throttle_answer throttle_take(struct throttle *t, struct throttle_claim *c, uint64_t now_ms, uint64_t *wait_ms)
{
	enum throttle_answer answer = throttle_look(t, c, now_ms, wait_ms);

	if (answer != THROTTLE_GO)
		return answer;
	begin_check(&t->addresses, c->address, &c->from, now_ms);
	if (c->has_account)
		begin_check(&t->accounts, c->account, &c->from, now_ms);
	c->taken = true;
	return THROTTLE_GO;
}

/* Ends a check, where one was begun, and lets a failure cost a refill. Returns the failures not got over yet. */
static uint64_t end_check(struct table *table, const uint64_t key[2], const struct throttle_claim *c, bool failed,
                          uint64_t now_ms)
{
	struct budget *b = failed ? find_or_add(table, key, &c->from, now_ms) : budget_of(table, key);

	if (!b)
		return 0;
	if (c->taken && b->under_way > 0)
		b->under_way--;
	if (failed)
		b->full_at_ms = (b->full_at_ms > now_ms ? b->full_at_ms : now_ms) + THROTTLE_REFILL_MS;
	uint64_t failures = (debt_ms(b, now_ms) + THROTTLE_REFILL_MS - 1) / THROTTLE_REFILL_MS;
	rank(table, b, now_ms);
	return failures;
}

static uint64_t delay_after(const struct throttle *t, uint64_t failures)
{
	uint64_t delay_ms = t->limits.delay_ms;

	if (delay_ms > 0 && failures <= 1)
		return THROTTLE_BLUR_MS;
	for (uint64_t i = 2; i < failures && delay_ms > 0 && delay_ms < THROTTLE_DELAY_MAX_MS; i++)
		delay_ms *= 2;
	return delay_ms < THROTTLE_DELAY_MAX_MS ? delay_ms : THROTTLE_DELAY_MAX_MS;
}

uint64_t throttle_settle(struct throttle *t, struct throttle_claim *c, enum throttle_outcome outcome, uint64_t now_ms)
{
	bool failed = outcome == THROTTLE_FAILED;
	uint64_t failures = end_check(&t->addresses, c->address, c, failed, now_ms);

	if (c->has_account)
		end_check(&t->accounts, c->account, c, failed, now_ms);
	c->taken = false;
	return failed ? delay_after(t, failures) : 0;
}

void throttle_remember(struct throttle *t, const struct peer *peer, const char *name, uint64_t now_ms)
{
	struct throttle_claim c = throttle_claim(t, peer, name);
	struct known *known = known_of(t, c.account);
	int place = 0;

	if (!known && t->known.count == THROTTLE_ENTRIES && table_lowest(&t->known)->rank > now_ms)
		return; /* of long ago: all that are there have been here since */
	if (!known)
		known = (struct known *)(void *)table_add(&t->known, c.account);
	if (!known)
		return;
	while (place < THROTTLE_KNOWN - 1 && known->address[place] != c.address[0])
		place++;
	memmove(known->address + 1, known->address, (size_t)place * sizeof(known->address[0]));
	known->address[0] = c.address[0];
	table_set_rank(&t->known, &known->entry, now_ms);
}

uint64_t throttle_forgotten(const struct throttle *t)
{
	return t->addresses.pushed_out + t->accounts.pushed_out;
}

/* An IPv6 zone stays a number: its name is whatever an administrator has thought of, and may be no JSON. */
static void describe_address(struct peer from, char text[PEER_TEXT_MAX])
{
	uint32_t zone = from.scope;

	if (from.family == AF_INET6)
		from.scope = 0;
	peer_format_host(&from, text);
	size_t len = strlen(text);
	if (from.family == AF_INET6 && zone)
		snprintf(text + len, PEER_TEXT_MAX - len, "%%%u/64", zone);
	else if (from.family == AF_INET6)
		snprintf(text + len, PEER_TEXT_MAX - len, "/64");
}

static void describe(const struct budget *b, bool is_address, uint32_t most, uint64_t now_ms, char line[ORDER_TEXT_MAX])
{
	uint64_t debt = debt_ms(b, now_ms), wait_ms = 0;
	char who[PEER_TEXT_MAX];

	if (is_address)
		describe_address(b->from, who);
	else
		snprintf(who, sizeof(who), "%016" PRIx64, b->entry.key[0]);
	(void)!afford(b, most, 0, now_ms, &wait_ms);
	snprintf(line, ORDER_TEXT_MAX,
	         "{\"kind\": \"%s\", \"who\": \"%s\", \"failures\": %" PRIu64 ", \"wait_s\": %" PRIu64 "}",
	         is_address ? "address" : "account", who, (debt + THROTTLE_REFILL_MS - 1) / THROTTLE_REFILL_MS,
	         (wait_ms + 999) / 1000);
}

static int by_debt(const void *a, const void *b)
{
	const struct budget *x = *(const struct budget *const *)a, *y = *(const struct budget *const *)b;

	return (x->full_at_ms < y->full_at_ms) - (x->full_at_ms > y->full_at_ms);
}

static uint32_t collect(const struct table *table, uint64_t now_ms, const struct budget **out)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < table->count; i++) {
		const struct budget *b = (const struct budget *)(const void *)table_at(table, i);
		if (debt_ms(b, now_ms) > 0)
			out[count++] = b;
	}
	qsort(out, count, sizeof(struct budget *), by_debt);
	return count;
}

int throttle_list(const struct throttle *t, uint64_t now_ms, uint32_t most,
                  void (*each)(void *arg, const char line[ORDER_TEXT_MAX]), void *arg)
{
	const struct table *tables[] = {&t->addresses, &t->accounts};
	const uint32_t limits[] = {t->limits.address_failures, t->limits.account_failures};
	const struct budget **found = malloc(THROTTLE_ENTRIES * sizeof(struct budget *));
	char line[ORDER_TEXT_MAX];
	uint32_t total = 0;

	if (!found)
		return -ENOMEM;
	for (size_t i = 0; i < array_size(tables); i++) {
		uint32_t count = collect(tables[i], now_ms, found);
		for (uint32_t j = 0; j < count && j < most; j++) {
			describe(found[j], i == 0, limits[i], now_ms, line);
			each(arg, line);
		}
		total += count;
	}
	free(found);
	return (int)total;
}

static uint32_t clear(struct table *table, uint64_t now_ms)
{
	uint32_t count = 0;

	while (table_lowest(table) && table_lowest(table)->rank != TABLE_PINNED) {
		count += table_lowest(table)->rank > now_ms;
		table_remove(table, table_lowest(table));
	}
	for (uint32_t i = 0; i < table->count; i++) { /* checks are under way, and are counted on */
		struct budget *b = (struct budget *)(void *)table_at(table, i);
		count += b->full_at_ms > now_ms;
		b->full_at_ms = 0;
	}
	return count;
}

uint32_t throttle_clear(struct throttle *t, uint64_t now_ms)
{
	return clear(&t->addresses, now_ms) + clear(&t->accounts, now_ms);
}
