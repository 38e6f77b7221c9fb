/* Colour, where it helps and is wanted. What is said is never said by it alone. */
#ifndef ECHOC_COLOUR_H
#define ECHOC_COLOUR_H

#include <stdbool.h>

#define COLOUR_DIM "\033[2m"
#define COLOUR_OFF "\033[0m"

/* Standard output is a terminal that is no dumb one, and NO_COLOR is unset or empty (https://no-color.org). */
bool colour_is_wanted(void);

#endif
