/* A way of typing: lines as the terminal gives them, with its own way to correct them. For any terminal. */
#ifndef ECHOC_PLAIN_H
#define ECHOC_PLAIN_H

#include "input.h"

/* prompts: whether the prompt is seen by whoever types. NULL: no memory. */
struct input *plain_open(const struct input_owner *, bool prompts) MUST_CHECK;

#endif
