/* Runs a fuzz target on each file that is named, and on no bytes at all. Without libFuzzer, for the ordinary build. */
#include "fuzz.h"

#include <string.h>

#define INPUT_MAX (1 << 20)

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

int main(int argc, char **argv)
{
	run_exactly(0);
	for (int i = 1; i < argc; i++) {
		FILE *file = fopen(argv[i], "rb");
		if (!file) {
			perror(argv[i]);
			return 2;
		}
		size_t len = fread(everything, 1, sizeof(everything), file);
		fclose(file);
		fprintf(stderr, "%s\n", argv[i]); /* the last one named is the one that broke a promise */
		run_exactly(len);
	}
	printf("%d replayed\n", argc - 1);
	return 0;
}
