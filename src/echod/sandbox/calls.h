/* The system calls that front and keeper may make (seccomp). Only sandbox.c includes this. */
#ifndef SANDBOX_CALLS_H
#define SANDBOX_CALLS_H

#include "must.h"
#include "sandbox.h"

/*
 * Binds all threads of this process from now on. Returns 0, -EOPNOTSUPP where the kernel has no such filters, or
 * another negative errno.
 */
int calls_restrict(enum sandbox_role) MUST_CHECK;

#endif
