/* Landlock, by the kernel's own calls: libc has none. Only sandbox.c includes this. */
#ifndef SANDBOX_LANDLOCK_H
#define SANDBOX_LANDLOCK_H

#include "must.h"

/* As sandbox_close_files. */
int landlock_restrict(const char *folder) MUST_CHECK;

#endif
