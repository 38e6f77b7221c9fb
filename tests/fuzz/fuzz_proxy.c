/* The PROXY header: however many bytes are there, the answer is one answer, and it never changes when more come. */
#include "fuzz.h"

#include <string.h>

#include "proxy.h"

static void check_done(const struct proxy_header *h, size_t len)
{
	static const uint8_t none[16];

	CHECK(h->len > 0 && h->len <= len && h->len <= PROXY_HEADER_MAX);
	if (h->kind == PROXY_LOCAL || h->kind == PROXY_UNKNOWN) {
		CHECK(memcmp(h->source.ip, none, 16) == 0 && h->source.port == 0);
		CHECK(memcmp(h->destination.ip, none, 16) == 0 && h->destination.port == 0);
	}
	if (h->kind == PROXY_TCP4)
		CHECK(memcmp(h->source.ip + 4, none, 12) == 0 && memcmp(h->destination.ip + 4, none, 12) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct proxy_header first = {0}, h = {0};
	enum proxy_result was = PROXY_MORE;
	const char *why = NULL;

	for (size_t n = 0; n <= len; n++) {
		/* A byte read too far is seen at the input's end, which is that of a shorter one's, too. */
		enum proxy_result is = proxy_parse(data, n, &h, &why);
		CHECK(was == PROXY_MORE || is == was);
		CHECK(is != PROXY_MORE || n < PROXY_HEADER_MAX);
		CHECK(is != PROXY_BAD || (why && *why));
		if (is == PROXY_DONE && was == PROXY_MORE) {
			CHECK(h.len == n); /* at its last byte, neither sooner nor later */
			check_done(&h, n);
			first = h;
		}
		if (is == PROXY_DONE)
			CHECK(fuzz_sum(FUZZ_SUM_START, &h, sizeof(h)) == fuzz_sum(FUZZ_SUM_START, &first, sizeof(h)));
		was = is;
	}
	return 0;
}
