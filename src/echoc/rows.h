/* Where the cursor is while libedit shows a line that takes more than one row: libedit itself does not tell. */
#ifndef ECHOC_ROWS_H
#define ECHOC_ROWS_H

#include <histedit.h>
#include <stdbool.h>

/* Rows that are shown above the cursor's, with a prompt of prompt_width columns. */
int rows_above_cursor(EditLine *, int prompt_width);

/* Whether the whole line takes all rows of the screen or more. */
bool rows_are_many(EditLine *, int prompt_width);

#endif
