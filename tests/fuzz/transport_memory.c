/* The front's heap: counted, and failing where it is told to, in turns only. OpenSSL's own is not among it. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "transport.h"

static long blocks;
static unsigned fails_at;

void *__real_malloc(size_t);
void *__real_calloc(size_t, size_t);
char *__real_strdup(const char *);
void __real_free(void *);
void *__wrap_malloc(size_t);
void *__wrap_calloc(size_t, size_t);
char *__wrap_strdup(const char *);
void __wrap_free(void *);

long transport_blocks(void)
{
	return blocks;
}

void transport_fail_block(unsigned nth)
{
	fails_at = nth;
}

static bool fails(void)
{
	return fails_at > 0 && transport_is_turning() && --fails_at == 0;
}

void *__wrap_malloc(size_t len)
{
	void *p = fails() ? NULL : __real_malloc(len);

	blocks += p != NULL;
	return p;
}

void *__wrap_calloc(size_t count, size_t len)
{
	void *p = fails() ? NULL : __real_calloc(count, len);

	blocks += p != NULL;
	return p;
}

char *__wrap_strdup(const char *text)
{
	char *p = fails() ? NULL : __real_strdup(text);

	blocks += p != NULL;
	return p;
}

void __wrap_free(void *p)
{
	blocks -= p != NULL;
	__real_free(p);
}
