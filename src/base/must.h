/* Annotations that the compiler checks. */
#ifndef BASE_MUST_H
#define BASE_MUST_H

#include <stddef.h>

/* The result of the function must be looked at. */
#define MUST_CHECK __attribute__((warn_unused_result))
/* Arguments fmt and first are a printf format and its first value. */
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

/* The struct of type that has ptr as its member. */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define array_size(a)                   (sizeof(a) / sizeof((a)[0]))

#endif
