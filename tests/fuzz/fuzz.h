/*
 * A fuzz target: a function that takes any bytes and ends the process when a promise is broken. libFuzzer calls it
 * (script/fuzz), or replay.c with the corpus (script/test).
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
/* Tells on standard output how far the inputs came, in one line. A target need not have it. */
void fuzz_report(void) __attribute__((weak));

#define CHECK(promise)                                                                                                 \
	do {                                                                                                           \
		if (!(promise)) {                                                                                      \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #promise);                          \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

/* Not what is being tested: without the sanitizers' and libFuzzer's counting, which it would only slow down. */
#if defined(__clang__)
#define FUZZ_PLAIN __attribute__((no_sanitize("coverage", "address", "undefined", "integer"), noinline))
#else
#define FUZZ_PLAIN
#endif

#define FUZZ_SUM_START UINT64_C(0xcbf29ce484222325)

/* A sum over bytes that differs wherever they do (FNV-1a). */
static inline FUZZ_PLAIN uint64_t fuzz_sum(uint64_t sum, const void *bytes, size_t len)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ b[i]) * UINT64_C(0x100000001b3);
	return sum;
}

/* The bytes up to the first NUL, or all, as a string; the caller frees it. */
static inline char *fuzz_string(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1);

	if (!text)
		abort();
	if (len > 0)
		memcpy(text, data, len);
	text[len] = '\0';
	return text;
}

#endif
