/* The PROXY header: good and bad ones, each cut at every place, with and without something behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>

#include "must.h"
#include "proxy.h"

#define V2_BEGINS "\r\n\r\n\0\r\nQUIT\n"
#define V2(rest)  V2_BEGINS rest, sizeof(V2_BEGINS rest) - 1
#define V1(line)  line, sizeof(line) - 1
#define BLOCK_V4  "\xc0\x00\x02\x01\x0a\x00\x00\x01\x30\x39\x1e\xb6" /* 192.0.2.1:12345, 10.0.0.1:7862 */
#define BLOCK_V6  "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\x30\x39\x1e\xb6"
#define ZEROS_18  "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define BLOCK_UNIX                                                                                                     \
	ZEROS_18 ZEROS_18 ZEROS_18 ZEROS_18 ZEROS_18 ZEROS_18 ZEROS_18 ZEROS_18 ZEROS_18 ZEROS_18 ZEROS_18 ZEROS_18
#define CHARS_50      "00000000000000000000000000000000000000000000000000"
#define LONGEST_WORDS "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535"

static const struct good {
	const char *bytes;
	size_t len;
	enum proxy_kind kind;
	const char *source, *destination;
	uint16_t source_port, destination_port;
} goods[] = {
    {V1("PROXY TCP4 192.0.2.1 10.0.0.1 12345 7862\r\n"), PROXY_TCP4, "192.0.2.1", "10.0.0.1", 12345, 7862},
    {V1("PROXY TCP4 255.255.255.255 0.0.0.0 0 65535\r\n"), PROXY_TCP4, "255.255.255.255", "0.0.0.0", 0, 65535},
    {V1("PROXY TCP6 2001:db8::1 ::1 1 2\r\n"), PROXY_TCP6, "2001:db8::1", "::1", 1, 2},
    {V1("PROXY TCP6 ::ffff:1.2.3.4 ::FFFF:10.0.0.1 1 2\r\n"), PROXY_TCP6, "::ffff:1.2.3.4", "::ffff:10.0.0.1", 1, 2},
    {V1("PROXY TCP6 " LONGEST_WORDS "\r\n"), PROXY_TCP6, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535, 65535},
    {V1("PROXY UNKNOWN\r\n"), PROXY_UNKNOWN, NULL, NULL, 0, 0},
    {V1("PROXY UNKNOWN " LONGEST_WORDS "\r\n"), PROXY_UNKNOWN, NULL, NULL, 0, 0}, /* 107 bytes, the longest there is */
    {V1("PROXY UNKNOWN anything at all\r\n"), PROXY_UNKNOWN, NULL, NULL, 0, 0},
    {V2("\x21\x11\0\x0c" BLOCK_V4), PROXY_TCP4, "192.0.2.1", "10.0.0.1", 12345, 7862},
    {V2("\x21\x11\0\x12" BLOCK_V4 "\x04\0\x03"
        "abc"),
     PROXY_TCP4, "192.0.2.1", "10.0.0.1", 12345, 7862},
    {V2("\x21\x21\0\x24" BLOCK_V6), PROXY_TCP6, "2001:db8::1", "fe80::2", 12345, 7862},
    {V2("\x21\x31\0\xd8" BLOCK_UNIX), PROXY_UNKNOWN, NULL, NULL, 0, 0},
    {V2("\x21\x00\0\0"), PROXY_UNKNOWN, NULL, NULL, 0, 0},
    {V2("\x21\x00\0\x03"
        "xyz"),
     PROXY_UNKNOWN, NULL, NULL, 0, 0},
    {V2("\x20\x00\0\0"), PROXY_LOCAL, NULL, NULL, 0, 0},
    {V2("\x20\x11\0\x0c" BLOCK_V4), PROXY_LOCAL, NULL, NULL, 0, 0},
    {V2("\x20\xff\0\x02"
        "xy"),
     PROXY_LOCAL, NULL, NULL, 0, 0}, /* of LOCAL the family is not looked at */
};

/* Each with how many bytes it takes to see that it is bad. */
static const struct bad {
	const char *bytes;
	size_t len;
	size_t seen;
} bads[] = {
    {V1("GET / HTTP/1.0\r\n"), 1},
    {V1("PRO Y TCP4"), 4},
    {V1("proxy TCP4"), 1},
    {V1("PROXY\r\n"), 6},
    {V1("PROXY \r\n"), 8},
    {V1("PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n"), 33},
    {V1("PROXY TCP4\r\n"), 12},
    {V1("PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n"), 32},
    {V1("PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n"), 32},
    {V1("PROXY UNKNOWNS\r\n"), 16},
    {V1("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n"), 31},
    {V1("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rx"), 32},
    {V1("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n"), 33},
    {V1("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n"), 34},
    {V1("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n"), 30},
    {V1("PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n"), 33},
    {V1("PROXY TCP4 1.2.3.4\t1.2.3.4 1 2\r\n"), 19},
    {V1("PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n"), 36},
    {V1("PROXY TCP4 1.2.3.4 1.2.3.4 1 99999\r\n"), 36},
    {V1("PROXY TCP4 1.2.3.4 1.2.3.4 1 123456\r\n"), 37},
    {V1("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n"), 33},
    {V1("PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n"), 33},
    {V1("PROXY TCP4 1.2.3.4 1.2.3.4 1 2a\r\n"), 33},
    {V1("PROXY TCP4 1.2.3.4\r\n"), 20},
    {V1("PROXY TCP4 1.2.3.4 1.2.3.4\r\n"), 28},
    {V1("PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n"), 30},
    {V1("PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n"), 34},
    {V1("PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n"), 33},
    {V1("PROXY TCP4 ::1 ::1 1 2\r\n"), 24},
    {V1("PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n"), 32},
    {V1("PROXY TCP6 ::1 ::g 1 2\r\n"), 24},
    {V1("PROXY TCP6 " CHARS_50 " ::1 1 2\r\n"), 71},
    {V1("PROXY TCP4 1.2.3.4\0 1.2.3.4 1 2\r\n"), 19},
    {V1("PROXY UNKNOWN \xff\r\n"), 15},
    {V1("PROXY UNKNOWN " LONGEST_WORDS "0\r\n"), 106},
    {V1("PROXY UNKNOWN " CHARS_50 CHARS_50 CHARS_50), 106},
    {V2("\x11\x11\0\x0c" BLOCK_V4), 16},
    {V2("\x01\x11\0\x0c" BLOCK_V4), 16},
    {V2("\x22\x11\0\x0c" BLOCK_V4), 16},
    {V2("\x2f\x11\0\x0c" BLOCK_V4), 16},
    {V2("\x21\x12\0\x0c" BLOCK_V4), 16}, /* datagrams */
    {V2("\x21\x22\0\x24" BLOCK_V6), 16},
    {V2("\x21\x01\0\0"), 16},
    {V2("\x21\x41\0\x0c" BLOCK_V4), 16},
    {V2("\x21\x11\0\x0b" BLOCK_V4), 16},
    {V2("\x21\x21\0\x23" BLOCK_V6), 16},
    {V2("\x21\x31\0\xd7" BLOCK_UNIX), 16},
    {V2("\x21\x11\x04\x09" BLOCK_V4), 16}, /* 1049 bytes */
    {V2("\x20\x11\xff\xff" BLOCK_V4), 16},
    {"\r\n\r\n\0\r\nQUIS\n!\x11\0\x0c" BLOCK_V4, 28, 11},
    {V1("\r\nUSER anna\r\n"), 3},
};

static void assert_end(int family, const struct proxy_end *end, const char *ip, uint16_t port)
{
	uint8_t wanted[16] = {0};

	if (ip)
		assert_int_equal(inet_pton(family, ip, wanted), 1);
	assert_memory_equal(end->ip, wanted, sizeof(wanted));
	assert_int_equal(end->port, port);
}

static void assert_good(const struct good *good, const struct proxy_header *h)
{
	int family = good->kind == PROXY_TCP4 ? AF_INET : AF_INET6;

	assert_int_equal(h->kind, good->kind);
	assert_int_equal(h->len, good->len);
	assert_end(family, &h->source, good->source, good->source_port);
	assert_end(family, &h->destination, good->destination, good->destination_port);
}

/* Parses a copy of its own for each length, so that the sanitizer sees a byte read too far. */
static enum proxy_result parse_copy(const char *bytes, size_t len, struct proxy_header *h, const char **why)
{
	uint8_t *copy = test_malloc(len ? len : 1);

	memcpy(copy, bytes, len);
	enum proxy_result result = proxy_parse(copy, len, h, why);
	test_free(copy);
	return result;
}

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(goods); i++) {
		struct proxy_header h;
		const char *why = NULL;
		for (size_t len = 0; len < goods[i].len; len++)
			assert_int_equal(parse_copy(goods[i].bytes, len, &h, &why), PROXY_MORE);
		if (parse_copy(goods[i].bytes, goods[i].len, &h, &why) != PROXY_DONE)
			fail_msg("good header %zu is refused: %s", i, why);
		assert_good(&goods[i], &h);
	}
}

/* What stands behind the header, more headers too, is not looked at. */
static void test_what_follows(void **state)
{
	static const char *const tails[] = {"U", "\r\n", "USER anna\r\n", "PROXY UNKNOWN\r\n"};

	(void)state;
	for (size_t i = 0; i < array_size(goods); i++) {
		for (size_t t = 0; t < array_size(tails); t++) {
			struct proxy_header h;
			const char *why;
			char bytes[512];
			size_t tail = strlen(tails[t]);
			memcpy(bytes, goods[i].bytes, goods[i].len);
			memcpy(bytes + goods[i].len, tails[t], tail);
			for (size_t more = 1; more <= tail; more++) {
				assert_int_equal(parse_copy(bytes, goods[i].len + more, &h, &why), PROXY_DONE);
				assert_good(&goods[i], &h);
			}
		}
	}
}

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(bads); i++) {
		for (size_t len = 0; len <= bads[i].len; len++) {
			struct proxy_header h;
			const char *why = NULL;
			enum proxy_result result = parse_copy(bads[i].bytes, len, &h, &why);
			if (result != (len < bads[i].seen ? PROXY_MORE : PROXY_BAD))
				fail_msg("bad header %zu: %d after %zu of %zu bytes", i, result, len, bads[i].len);
			if (result == PROXY_BAD)
				assert_true(why && strlen(why) > 10);
		}
	}
}

/* A header as long as may be, and whose bytes come one by one. */
static void test_longest_v2(void **state)
{
	static char bytes[PROXY_HEADER_MAX + 1] = V2_BEGINS "\x21\x11\x04\x08" BLOCK_V4;
	struct proxy_header h;
	const char *why;

	(void)state;
	for (size_t len = 0; len < PROXY_HEADER_MAX; len++)
		assert_int_equal(parse_copy(bytes, len, &h, &why), PROXY_MORE);
	assert_int_equal(parse_copy(bytes, sizeof(bytes), &h, &why), PROXY_DONE);
	assert_int_equal(h.len, PROXY_HEADER_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_what_follows),
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_longest_v2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
