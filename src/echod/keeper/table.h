/*
 * A bounded table: entries found by a key of 128 bits and ordered by a rank. When it is full, a new entry takes the
 * place of the one that ranks lowest. Finding costs O(1), the rest O(log entries). It touches only as much of its
 * memory as it ever had entries. Not thread-safe.
 *
 * Keys are to be made with a keyed hash, so that nobody from outside can make two of them meet.
 */
#ifndef KEEPER_TABLE_H
#define KEEPER_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "must.h"

#define TABLE_PINNED UINT64_MAX /* a rank that is never pushed out */

/* The first member of whatever is kept. */
struct table_entry {
	uint64_t key[2];
	uint64_t rank;
	uint32_t next, place; /* the table's own: the bucket's next entry, and where the entry stands in the heap */
};

struct table {
	uint8_t *entry;
	size_t entry_size;
	uint32_t *bucket;     /* by key: the number of an entry, counted from 1; 0 for none */
	uint32_t *heap;       /* numbers of entries: count of them by rank, lowest first, and behind them free ones */
	uint32_t cap;         /* a power of two */
	uint32_t count, used; /* count <= used <= cap; used: entries that were ever touched */
	uint64_t pushed_out;  /* entries that had to make room, ever */
};

/* For cap entries, a power of two, of entry_size bytes each. Returns 0 or -ENOMEM. */
int table_init(struct table *, uint32_t cap, size_t entry_size) MUST_CHECK;
/* Harmless where table_init failed or all is zero. */
void table_fini(struct table *);

/* The entry with the key, or NULL. It stays where it is until it is removed or pushed out. */
struct table_entry *table_find(const struct table *, const uint64_t key[2]);
/* A new entry, zeroed but for its key, which must not be there yet. NULL when all that there are are pinned. */
struct table_entry *table_add(struct table *, const uint64_t key[2]);
void table_set_rank(struct table *, struct table_entry *, uint64_t rank);
void table_remove(struct table *, struct table_entry *);
/* The entry that goes first, or NULL where there is none. */
struct table_entry *table_lowest(const struct table *);
/* The entries one by one, in no order worth naming: i counts to count. Adding and removing changes the order. */
struct table_entry *table_at(const struct table *, uint32_t i);

#endif
