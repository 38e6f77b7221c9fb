/* The numbers of a run whose result is missing, from what came before it was cut off. */
#ifndef ECHOC_REPORT_GUESS_H
#define ECHOC_REPORT_GUESS_H

#include "report_run.h"

/* An object with the keys of a result, as far as they can be known; NULL: nothing can, or memory is out. */
struct json_t *report_guess(const struct run *) MUST_CHECK;

#endif
