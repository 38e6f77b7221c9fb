/*
 * A way of typing: lines that libedit edits, with history and completion. What is pasted in one piece is kept together.
 */
#ifndef ECHOC_EDIT_H
#define ECHOC_EDIT_H

#include "input.h"

/*
 * NULL where it cannot be: the terminal is a dumb one, its characters are not UTF-8, or memory is out. Then nothing has
 * changed, and plain_open does.
 */
struct input *edit_open(const struct input_owner *) MUST_CHECK;

#endif
