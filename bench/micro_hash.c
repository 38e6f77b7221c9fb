/* What libsodium needs to verify one password: the least a login can cost. micro_hash KIB PASSES [VERIFICATIONS]. */
#include <sodium.h>
#include <string.h>

#include "micro.h"

int main(int argc, char **argv)
{
	static const char SECRET[] = "benchbench";
	char hash[crypto_pwhash_STRBYTES];

	if (argc < 3) {
		fputs("usage: micro_hash KIB PASSES [VERIFICATIONS]\n", stderr);
		return 2;
	}
	if (sodium_init() < 0 || crypto_pwhash_str(hash, SECRET, strlen(SECRET), strtoull(argv[2], NULL, 10),
	                                           (size_t)strtoull(argv[1], NULL, 10) * 1024) < 0) {
		fputs("micro_hash: libsodium makes no such hash (memory from 8 KiB, passes from 1)\n", stderr);
		return 1;
	}
	uint64_t count = micro_count(argc - 2, argv + 2, 100), begin_ns = micro_now_ns();
	for (uint64_t i = 0; i < count; i++) {
		if (crypto_pwhash_str_verify(hash, SECRET, strlen(SECRET)) != 0)
			return 1;
	}
	micro_report("hash_verify", begin_ns, count);
	return 0;
}
