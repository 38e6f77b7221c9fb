#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct table_entry *numbered(const struct table *t, uint32_t number)
{
	return (struct table_entry *)(void *)(t->entry + t->entry_size * number);
}

static uint32_t number_of(const struct table *t, const struct table_entry *e)
{
	return t->heap[e->place];
}

static uint32_t *bucket_of(const struct table *t, const uint64_t key[2])
{
	return &t->bucket[key[0] & (t->cap - 1)];
}

int table_init(struct table *t, uint32_t cap, size_t entry_size)
{
	*t = (struct table){.cap = cap, .entry_size = entry_size};
	t->entry = calloc(cap, entry_size);
	t->bucket = calloc(cap, sizeof(*t->bucket));
	t->heap = calloc(cap, sizeof(*t->heap));
	if (t->entry && t->bucket && t->heap)
		return 0;
	table_fini(t);
	return -ENOMEM;
}

void table_fini(struct table *t)
{
	free(t->entry);
	free(t->bucket);
	free(t->heap);
	*t = (struct table){0};
}

static bool same_key(const struct table_entry *e, const uint64_t key[2])
{
	return e->key[0] == key[0] && e->key[1] == key[1];
}

struct table_entry *table_find(const struct table *t, const uint64_t key[2])
{
	for (uint32_t next = *bucket_of(t, key); next;) {
		struct table_entry *e = numbered(t, next - 1);
		if (same_key(e, key))
			return e;
		next = e->next;
	}
	return NULL;
}

struct table_entry *table_at(const struct table *t, uint32_t i)
{
	return numbered(t, t->heap[i]);
}

struct table_entry *table_lowest(const struct table *t)
{
	return t->count > 0 ? table_at(t, 0) : NULL;
}

static void put_at(struct table *t, uint32_t place, uint32_t number)
{
	t->heap[place] = number;
	numbered(t, number)->place = place;
}

static uint64_t rank_at(const struct table *t, uint32_t place)
{
	return table_at(t, place)->rank;
}

/* Moves number, whose place is free to be overwritten, towards the lowest as far as its rank allows. */
static uint32_t rise(struct table *t, uint32_t place, uint64_t rank)
{
	while (place > 0 && rank < rank_at(t, (place - 1) / 2)) {
		put_at(t, place, t->heap[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	return place;
}

static uint32_t sink(struct table *t, uint32_t place, uint64_t rank)
{
	for (;;) {
		uint32_t child = 2 * place + 1;
		if (child >= t->count)
			return place;
		if (child + 1 < t->count && rank_at(t, child + 1) < rank_at(t, child))
			child++;
		if (rank <= rank_at(t, child))
			return place;
		put_at(t, place, t->heap[child]);
		place = child;
	}
}

/* Finds the place for number, whose own place may be overwritten. */
static void settle(struct table *t, uint32_t place, uint32_t number)
{
	uint64_t rank = numbered(t, number)->rank;
	uint32_t higher = rise(t, place, rank);

	put_at(t, higher == place ? sink(t, place, rank) : higher, number);
}

void table_set_rank(struct table *t, struct table_entry *e, uint64_t rank)
{
	e->rank = rank;
	settle(t, e->place, number_of(t, e));
}

static void unlink_entry(struct table *t, const struct table_entry *e)
{
	uint32_t *link = bucket_of(t, e->key);

	while (numbered(t, *link - 1) != e)
		link = &numbered(t, *link - 1)->next;
	*link = e->next;
}

void table_remove(struct table *t, struct table_entry *e)
{
	uint32_t place = e->place, number = number_of(t, e), last = t->heap[--t->count];

	unlink_entry(t, e);
	t->heap[t->count] = number; /* free */
	if (number != last)
		settle(t, place, last);
}

struct table_entry *table_add(struct table *t, const uint64_t key[2])
{
	if (t->count == t->cap) {
		if (rank_at(t, 0) == TABLE_PINNED)
			return NULL;
		table_remove(t, table_at(t, 0));
		t->pushed_out++;
	}
	if (t->count == t->used) {
		t->heap[t->count] = t->count;
		t->used++;
	}
	uint32_t number = t->heap[t->count], *bucket = bucket_of(t, key);
	struct table_entry *e = numbered(t, number);
	memset(e, 0, t->entry_size);
	e->key[0] = key[0];
	e->key[1] = key[1];
	e->next = *bucket;
	*bucket = number + 1;
	settle(t, t->count++, number);
	return e;
}
