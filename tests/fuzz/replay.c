/*
 * Runs a fuzz target without libFuzzer, for the ordinary build: on each file that is named, and on no bytes at all; or,
 * where FUZZ_SESSIONS is a number, on so many random inputs that are made of those files.
 */
#include "fuzz.h"

#include <string.h>

#define INPUT_MAX    (1 << 20)
#define RANDOM_PIECE 200

static uint8_t everything[INPUT_MAX];

/* On a heap block of just that size, so that the sanitizer sees a byte read beyond it. */
static void run_exactly(size_t len)
{
	uint8_t *exact = malloc(len ? len : 1);

	if (!exact)
		abort();
	memcpy(exact, everything, len);
	LLVMFuzzerTestOneInput(len ? exact : NULL, len);
	free(exact);
}

/* The numbers of splitmix64 (Steele, Lea and Flood, OOPSLA 2014). */
static uint64_t next_number(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static size_t read_file(const char *path, uint8_t *to)
{
	FILE *file = fopen(path, "rb");

	if (!file) {
		perror(path);
		exit(2);
	}
	size_t len = fread(to, 1, INPUT_MAX, file);
	fclose(file);
	return len;
}

/* Pieces of the corpus's files and random bytes, a few of each, one behind the other. */
static size_t make_random(uint64_t *state, char **paths, int count)
{
	static uint8_t file[INPUT_MAX];
	size_t len = 0, pieces = 1 + next_number(state) % 4;

	for (; pieces > 0; pieces--) {
		size_t n = next_number(state) % 64, at = 0, there = 0;
		if (count > 0 && next_number(state) % 4 > 0)
			there = read_file(paths[next_number(state) % (uint64_t)count], file);
		for (size_t i = 0; there == 0 && i < n; i++)
			everything[len++] = (uint8_t)next_number(state);
		if (there == 0)
			continue;
		at = len == 0 ? 0 : next_number(state) % there;
		n = there - at < RANDOM_PIECE ? there - at : RANDOM_PIECE;
		memcpy(everything + len, file + at, n);
		len += n;
	}
	for (size_t changes = next_number(state) % 4; changes > 0 && len > 0; changes--)
		everything[next_number(state) % len] = (uint8_t)next_number(state);
	return len;
}

/* FUZZ_SESSIONS inputs made of TEST_SEED and the corpus; one that breaks a promise is told by its own seed. */
static int run_random(unsigned long count, char **paths, int path_count)
{
	const char *seed_text = getenv("TEST_SEED");
	uint64_t seed = seed_text ? strtoull(seed_text, NULL, 10) : 1;

	for (unsigned long i = 0; i < count; i++) {
		uint64_t state = seed + i;
		size_t len = make_random(&state, paths, path_count);
		if (i % 100 == 0 || count == 1)
			fprintf(stderr, "TEST_SEED=%llu\n", (unsigned long long)(seed + i)); /* or one of the next */
		run_exactly(len);
	}
	printf("%lu random ones from seed %llu\n", count, (unsigned long long)seed);
	if (fuzz_report)
		fuzz_report();
	return 0;
}

int main(int argc, char **argv)
{
	const char *sessions = getenv("FUZZ_SESSIONS");

	if (sessions)
		return run_random(strtoul(sessions, NULL, 10), argv + 1, argc - 1);
	run_exactly(0);
	for (int i = 1; i < argc; i++) {
		size_t len = read_file(argv[i], everything);
		fprintf(stderr, "%s\n", argv[i]); /* the last one named is the one that broke a promise */
		run_exactly(len);
	}
	printf("%d replayed\n", argc - 1);
	return 0;
}
