/* Accounts as a table that lines up on a terminal, whatever script the names are in. */
#ifndef ECHOCTL_TABLE_H
#define ECHOCTL_TABLE_H

#include <stddef.h>
#include <stdio.h>

#include "store.h"

#define TABLE_COLUMNS 7

struct table {
	int width[TABLE_COLUMNS]; /* in columns of the terminal */
	FILE *out;                /* NULL: the rows are only measured */
	size_t rows;
};

/* A table that measures; when all rows were measured, table_begin writes the heading, and then the rows are written. */
void table_init(struct table *);
void table_begin(struct table *, FILE *out);
void table_row(struct table *, const struct account *);

#endif
