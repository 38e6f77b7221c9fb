/*
 * A micro benchmark's frame: `micro_NAME [OPERATIONS [CASE]]` prints a line a case, `CASE N ns/operation`; with a
 * case's name it runs that one only, so that a tool that counts instructions counts its.
 */
#ifndef BENCH_MICRO_H
#define BENCH_MICRO_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How many operations: as the command line says, else usual. */
static inline uint64_t micro_count(int argc, char **argv, uint64_t usual)
{
	uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : usual;

	if (count == 0) {
		fprintf(stderr, "%s: the number of operations must be 1 or more\n", argv[0]);
		exit(2);
	}
	return count;
}

static inline bool micro_wants(int argc, char **argv, const char *name)
{
	return argc < 3 || strcmp(argv[2], name) == 0;
}

static inline uint64_t micro_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void micro_report(const char *name, uint64_t begin_ns, uint64_t count)
{
	printf("%s %.1f ns/operation\n", name, (double)(micro_now_ns() - begin_ns) / (double)count);
}

/* Keeps the compiler from leaving work out whose result nobody reads. */
static inline void micro_keep(uint64_t value)
{
	__asm__ volatile("" : : "r"(value) : "memory");
}

#endif
