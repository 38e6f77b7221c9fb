/*
 * OpenSSL's memory, through its own hooks, is a call kind of its own: tls_alloc. It takes the hooks as long as it has
 * allocated nothing, so this runs before all that could make it.
 */
#include <openssl/crypto.h>
#include <stdlib.h>

#include "seam.h"

void __lsan_ignore_object(const void *memory) __attribute__((weak));

void *__real_malloc(size_t size);
void *__real_realloc(void *old, size_t size);

/*
 * When OpenSSL finds no memory while it sets itself up, once a process, it leaks some of what it has by then. So where
 * that is what a program is started for, nobody looks for what OpenSSL has allocated.
 */
static bool leaks;

static void *disregard(void *memory)
{
	if (memory && leaks && __lsan_ignore_object)
		__lsan_ignore_object(memory);
	return memory;
}

static void *seam_malloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return size == 0 || seam_fails("tls_alloc") ? NULL : disregard(__real_malloc(size));
}

static void seam_free(void *memory, const char *file, int line)
{
	(void)file;
	(void)line;
	free(memory);
}

/* With these hooks OpenSSL hands through also what is a malloc or a free. */
static void *seam_realloc(void *old, size_t size, const char *file, int line)
{
	if (!old)
		return seam_malloc(size, file, line);
	if (size == 0) {
		free(old);
		return NULL;
	}
	return seam_fails("tls_alloc") ? NULL : disregard(__real_realloc(old, size));
}

__attribute__((constructor(102))) static void replace_memory(void)
{
	leaks = seam_is_about("tls_alloc");
	if (CRYPTO_set_mem_functions(seam_malloc, seam_realloc, seam_free) != 1)
		abort();
}
