/* Addresses as they stand on the command line, and peers as the kernel gives them. */
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "must.h"

#define DEFAULT_PORT 7862
#define TEN(x)       x x x x x x x x x x
#define PATH_106     "/" TEN("1234567890") "12345"
#define HOST_250     TEN("abcdefghi.") TEN("abcdefghi.") "abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi."

struct good {
	const char *text;
	bool raw, tls, is_unix;
	enum address_port port_kind;
	uint16_t first, last;
	const char *host; /* a path where is_unix */
	const char *formatted;
};

#define DEFAULT     ADDRESS_PORT_DEFAULT, DEFAULT_PORT, DEFAULT_PORT
#define EXPLICIT(n) ADDRESS_PORT_EXPLICIT, n, n
#define RANGE(a, b) ADDRESS_PORT_RANGE, a, b
#define LOGIN       false, false, false
#define RAW         true, false, false
#define TLS         false, true, false
#define RAW_TLS     true, true, false
#define UNIX        false, false, true
#define RAW_UNIX    true, false, true

static const struct good goods[] = {
    {"localhost", LOGIN, DEFAULT, "localhost", "localhost:7862"},
    {"localhost:80", LOGIN, EXPLICIT(80), "localhost", "localhost:80"},
    {"login:localhost:80", LOGIN, EXPLICIT(80), "localhost", "localhost:80"},
    {"raw:localhost:80", RAW, EXPLICIT(80), "localhost", "raw:localhost:80"},
    {"tls:localhost:80", TLS, EXPLICIT(80), "localhost", "tls:localhost:80"},
    {"raw+tls:localhost:80", RAW_TLS, EXPLICIT(80), "localhost", "raw+tls:localhost:80"},
    {"raw:localhost", RAW, DEFAULT, "localhost", "raw:localhost:7862"},
    {"tls:localhost", TLS, DEFAULT, "localhost", "tls:localhost:7862"},
    /* ports */
    {"80", LOGIN, EXPLICIT(80), "127.0.0.1", "127.0.0.1:80"},
    {":80", LOGIN, EXPLICIT(80), "127.0.0.1", "127.0.0.1:80"},
    {"0", LOGIN, EXPLICIT(0), "127.0.0.1", "127.0.0.1:0"},
    {":0", LOGIN, EXPLICIT(0), "127.0.0.1", "127.0.0.1:0"},
    {"65535", LOGIN, EXPLICIT(65535), "127.0.0.1", "127.0.0.1:65535"},
    {"raw:7", RAW, EXPLICIT(7), "127.0.0.1", "raw:127.0.0.1:7"},
    {"raw+tls::7", RAW_TLS, EXPLICIT(7), "127.0.0.1", "raw+tls:127.0.0.1:7"},
    {"h:0080", LOGIN, EXPLICIT(80), "h", "h:80"},
    {"h:1-65535", LOGIN, RANGE(1, 65535), "h", "h:1"},
    {"h:80-80", LOGIN, RANGE(80, 80), "h", "h:80"},
    {":7000-7009", LOGIN, RANGE(7000, 7009), "127.0.0.1", "127.0.0.1:7000"},
    {"raw:[::1]:7000-7009", RAW, RANGE(7000, 7009), "::1", "raw:[::1]:7000"},
    /* hosts */
    {"10.0.0.1:80", LOGIN, EXPLICIT(80), "10.0.0.1", "10.0.0.1:80"},
    {"0.0.0.0", LOGIN, DEFAULT, "0.0.0.0", "0.0.0.0:7862"},
    {"[::1]", LOGIN, DEFAULT, "::1", "[::1]:7862"},
    {"[::]:80", LOGIN, EXPLICIT(80), "::", "[::]:80"},
    {"tls:[2001:db8::1]:80", TLS, EXPLICIT(80), "2001:db8::1", "tls:[2001:db8::1]:80"},
    {"[fe80::1%eth0]:80", LOGIN, EXPLICIT(80), "fe80::1%eth0", "[fe80::1%eth0]:80"},
    {"[::ffff:10.0.0.1]:80", LOGIN, EXPLICIT(80), "::ffff:10.0.0.1", "[::ffff:10.0.0.1]:80"},
    {"a-b_c.d:80", LOGIN, EXPLICIT(80), "a-b_c.d", "a-b_c.d:80"},
    {"b\xc3\xbc\x63her.example:80", LOGIN, EXPLICIT(80), "b\xc3\xbc\x63her.example", "b\xc3\xbc\x63her.example:80"},
    {"rawhide", LOGIN, DEFAULT, "rawhide", "rawhide:7862"},
    {HOST_250 "xyz:80", LOGIN, EXPLICIT(80), HOST_250 "xyz", HOST_250 "xyz:80"},
    {"raw+tls:" HOST_250 "xyz:65535", RAW_TLS, EXPLICIT(65535), HOST_250 "xyz", "raw+tls:" HOST_250 "xyz:65535"},
    /* unix sockets */
    {"unix:/run/echod.sock", UNIX, DEFAULT, "/run/echod.sock", "unix:/run/echod.sock"},
    {"raw+unix:/run/echod.sock", RAW_UNIX, DEFAULT, "/run/echod.sock", "raw+unix:/run/echod.sock"},
    {"unix:echod.sock", UNIX, DEFAULT, "echod.sock", "unix:echod.sock"},
    {"unix:/tmp/a b:80", UNIX, DEFAULT, "/tmp/a b:80", "unix:/tmp/a b:80"},
    {"unix:" PATH_106 "x", UNIX, DEFAULT, PATH_106 "x", "unix:" PATH_106 "x"},
    {"raw+unix:" PATH_106 "x", RAW_UNIX, DEFAULT, PATH_106 "x", "raw+unix:" PATH_106 "x"},
};

static const char *const bads[] = {
    "",
    "raw:",
    "login:",
    "tls:",
    "raw+tls:",
    "unix:",
    "raw+unix:",
    /* ports */
    ":",
    "h:",
    "h:65536",
    "h:99999999999999999999",
    "h:-1",
    "h:+1",
    "h: 1",
    "h:1 ",
    "h:0x50",
    "h:http",
    "h:1.5",
    "65536",
    "123456789",
    "18446744073709551617",
    "h:\xd9\xa1",
    "[::1]:",
    "[::1]:x",
    /* ranges */
    "h:0-5",
    "h:5-4",
    "h:5-",
    "h:-",
    "h:-5",
    "h:1-2-3",
    "h:1-65536",
    "h:a-b",
    ":0-0",
    /* brackets and colons */
    "::1",
    "fe80::1",
    "2001:db8::1:80",
    "a:b:c",
    "[::1",
    "::1]",
    "[]",
    "[]:80",
    "[::1]x",
    "[::1]80",
    "[[::1]]",
    "[::1]]:80",
    "[::1]::80",
    "x[::1]:80",
    /* prefixes that are none */
    "tls+raw:h:80",
    "tls+unix:/x",
    "raw:raw:h:80",
    "raw:unix:/x",
    "http://h:80",
    "RAW:h:80",
    "raw+login:h:80",
    /* characters */
    "h ost",
    " h",
    "h\t",
    "h\n:80",
    "h\x1b[2J:80",
    "h\x7f:80",
    "a/b",
    "/run/echod.sock",
    "[a b]:80",
    "[::1\n]:80",
    /* lengths */
    "unix:" PATH_106 "xy",
    "raw+unix:" PATH_106 "xy",
    HOST_250 "abcdefghi.:80",
    "raw:[" HOST_250 "abcdefghi.]:80",
};

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(goods); i++) {
		const struct good *good = &goods[i];
		struct address a;
		const char *why = NULL;
		memset(&a, 0x5a, sizeof(a));
		if (address_parse(good->text, DEFAULT_PORT, &a, &why))
			fail_msg("'%s' is refused: %s", good->text, why);
		assert_int_equal(a.raw, good->raw);
		assert_int_equal(a.tls, good->tls);
		assert_int_equal(a.is_unix, good->is_unix);
		assert_string_equal(good->is_unix ? a.path : a.host, good->host);
		assert_string_equal(good->is_unix ? a.host : a.path, "");
		if (good->is_unix)
			continue;
		assert_int_equal(a.port_kind, good->port_kind);
		assert_int_equal(a.first, good->first);
		assert_int_equal(a.last, good->last);
	}
}

/* What address_format writes is what address_parse takes. */
static void test_format(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(goods); i++) {
		struct address a, again;
		char text[ADDRESS_TEXT_MAX], text2[ADDRESS_TEXT_MAX];
		const char *why = NULL;
		assert_int_equal(address_parse(goods[i].text, DEFAULT_PORT, &a, &why), 0);
		address_format(&a, a.first, text);
		assert_string_equal(text, goods[i].formatted);
		assert_int_equal(address_parse(text, 1, &again, &why), 0);
		assert_true(again.raw == a.raw && again.tls == a.tls && again.is_unix == a.is_unix);
		assert_string_equal(again.host, a.host);
		assert_string_equal(again.path, a.path);
		address_format(&again, again.first, text2);
		assert_string_equal(text2, text);
	}
}

/* A host that is called like a prefix must not become one. */
static void test_format_host_like_prefix(void **state)
{
	static const char *const names[] = {"tls", "raw", "unix", "login", "raw+tls", "raw+unix"};

	(void)state;
	for (size_t i = 0; i < array_size(names); i++) {
		struct address a, again;
		char text[ADDRESS_TEXT_MAX];
		const char *why = NULL;
		assert_int_equal(address_parse(names[i], DEFAULT_PORT, &a, &why), 0);
		address_format(&a, 80, text);
		assert_int_equal(address_parse(text, DEFAULT_PORT, &again, &why), 0);
		assert_string_equal(again.host, names[i]);
		assert_false(again.raw || again.tls || again.is_unix);
		assert_int_equal(again.first, 80);
	}
}

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(bads); i++) {
		struct address a;
		const char *why = NULL;
		if (address_parse(bads[i], DEFAULT_PORT, &a, &why) != -EINVAL)
			fail_msg("'%s' is taken", bads[i]);
		assert_non_null(why);
		assert_true(strlen(why) > 10);
	}
}

/* Every beginning and every end of a good address is good or bad, and never more than that. */
static void test_pieces(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(goods); i++) {
		size_t len = strlen(goods[i].text);
		for (size_t cut = 0; cut <= len; cut++) {
			struct address a;
			char text[ADDRESS_TEXT_MAX], *piece = strndup(goods[i].text, cut);
			const char *why;
			assert_non_null(piece);
			if (address_parse(piece, DEFAULT_PORT, &a, &why) == 0)
				address_format(&a, a.last, text);
			free(piece);
			if (address_parse(goods[i].text + cut, DEFAULT_PORT, &a, &why) == 0)
				address_format(&a, a.last, text);
		}
	}
}

static struct peer peer_v4(const char *ip, uint16_t port)
{
	struct sockaddr_storage s = {0};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&s;

	*v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
	assert_int_equal(inet_pton(AF_INET, ip, &v4->sin_addr), 1);
	return peer_from_sockaddr(&s);
}

static struct peer peer_v6(const char *ip, uint16_t port, uint32_t scope)
{
	struct sockaddr_storage s = {0};
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&s;

	*v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_scope_id = scope};
	assert_int_equal(inet_pton(AF_INET6, ip, &v6->sin6_addr), 1);
	return peer_from_sockaddr(&s);
}

static struct peer peer_unix(uint32_t uid)
{
	struct sockaddr_storage s = {.ss_family = AF_UNIX};
	struct peer p = peer_from_sockaddr(&s);

	assert_int_equal(p.family, AF_UNIX);
	p.scope = uid;
	return p;
}

static void expect_peer(struct peer p, const char *whole, const char *host)
{
	char text[PEER_TEXT_MAX];

	peer_format(&p, text);
	assert_string_equal(text, whole);
	peer_format_host(&p, text);
	assert_string_equal(text, host);
}

static void test_peer_format(void **state)
{
	(void)state;
	expect_peer(peer_v4("10.1.2.3", 80), "10.1.2.3:80", "10.1.2.3");
	expect_peer(peer_v4("255.255.255.255", 65535), "255.255.255.255:65535", "255.255.255.255");
	expect_peer(peer_v6("::1", 80, 0), "[::1]:80", "::1");
	expect_peer(peer_v6("2001:db8::1", 0, 0), "[2001:db8::1]:0", "2001:db8::1");
	expect_peer(peer_v6("::ffff:10.1.2.3", 80, 0), "10.1.2.3:80", "10.1.2.3");
	expect_peer(peer_v6("1111:2222:3333:4444:5555:6666:7777:8888", 65535, 4294967295),
	            "[1111:2222:3333:4444:5555:6666:7777:8888%4294967295]:65535",
	            "1111:2222:3333:4444:5555:6666:7777:8888%4294967295");
	expect_peer(peer_unix(1000), "unix:uid=1000", "unix:uid=1000");
	expect_peer(peer_unix(UINT32_MAX), "unix:uid=4294967295", "unix:uid=4294967295");
}

static void expect_peer_again(struct peer p)
{
	struct peer got;
	char text[PEER_TEXT_MAX];

	peer_format(&p, text);
	assert_int_equal(peer_parse(text, &got), 0);
	assert_memory_equal(&got, &p, sizeof(p));
}

static void test_peer_parse(void **state)
{
	static const char *const wrong[] = {"",
	                                    "10.1.2.3",
	                                    "10.1.2.3:",
	                                    "10.1.2.3:65536",
	                                    ":80",
	                                    "10.1.2:80",
	                                    "[::1]",
	                                    "[::1:80",
	                                    "::1:80",
	                                    "[::1]80",
	                                    "[10.1.2.3]:80",
	                                    "[fe80::1%lo]:80",
	                                    "unix:uid=",
	                                    "unix:uid=-1",
	                                    "unix:uid=4294967296",
	                                    "unix:uid=1 ",
	                                    "10.1.2.3:80 ",
	                                    "-",
	                                    "localhost:80"};
	char longer[2 * PEER_TEXT_MAX];
	struct peer p;

	(void)state;
	expect_peer_again(peer_v4("10.1.2.3", 80));
	expect_peer_again(peer_v4("0.0.0.0", 0));
	expect_peer_again(peer_v6("::1", 65535, 0));
	expect_peer_again(peer_v6("1111:2222:3333:4444:5555:6666:7777:8888", 1, 0));
	expect_peer_again(peer_unix(0));
	expect_peer_again(peer_unix(UINT32_MAX));
	for (size_t i = 0; i < array_size(wrong); i++)
		assert_int_equal(peer_parse(wrong[i], &p), -EINVAL);
	memset(longer, '1', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(peer_parse(longer, &p), -EINVAL);
}

static void test_peer_zone(void **state)
{
	char whole[PEER_TEXT_MAX], host[PEER_TEXT_MAX], name[IF_NAMESIZE];

	(void)state;
	if (!if_indextoname(1, name))
		skip();
	snprintf(host, sizeof(host), "fe80::1%%%s", name);
	snprintf(whole, sizeof(whole), "[fe80::1%%%s]:80", name);
	expect_peer(peer_v6("fe80::1", 80, 1), whole, host);
}

static void test_peer_values(void **state)
{
	struct peer mapped = peer_v6("::ffff:10.1.2.3", 80, 0), v6 = peer_v6("fe80::1", 443, 3);
	struct sockaddr_storage other = {.ss_family = AF_PACKET};
	struct peer p = peer_from_sockaddr(&other);

	(void)state;
	assert_int_equal(mapped.family, AF_INET);
	assert_int_equal(mapped.port, 80);
	assert_memory_equal(mapped.ip, "\x0a\x01\x02\x03", 4);
	assert_int_equal(v6.family, AF_INET6);
	assert_int_equal(v6.port, 443);
	assert_int_equal(v6.scope, 3);
	assert_int_equal(p.family, AF_UNSPEC);
	assert_int_equal(p.port, 0);
	assert_int_equal(p.scope, 0);
}

static void test_loopback_and_same_host(void **state)
{
	struct peer v4[] = {peer_v4("127.0.0.1", 1), peer_v4("127.255.255.254", 1), peer_v4("128.0.0.1", 1),
	                    peer_v4("0.0.0.0", 1)};
	struct peer v6[] = {peer_v6("::1", 1, 0),
	                    peer_v6("::", 1, 0),
	                    peer_v6("::2", 1, 0),
	                    peer_v6("1::1", 1, 0),
	                    peer_v6("::ffff:127.0.0.1", 1, 0),
	                    peer_v6("7f00::1", 1, 0)};
	struct peer same = peer_v4("128.0.0.1", 2), other = peer_v6("8000:1::", 1, 0), local = peer_unix(0);

	(void)state;
	assert_true(peer_is_loopback(&v4[0]) && peer_is_loopback(&v4[1]) && peer_is_loopback(&local));
	assert_false(peer_is_loopback(&v4[2]) || peer_is_loopback(&v4[3]));
	assert_true(peer_is_loopback(&v6[0]) && peer_is_loopback(&v6[4]));
	assert_false(peer_is_loopback(&v6[1]) || peer_is_loopback(&v6[2]) || peer_is_loopback(&v6[3]));
	assert_false(peer_is_loopback(&v6[5]));
	assert_true(peer_same_host(&v4[2], &same));   /* ports do not matter */
	assert_false(peer_same_host(&v4[2], &other)); /* the same bytes in another family do */
	assert_false(peer_same_host(&v4[2], &v4[0]));
	assert_true(peer_same_host(&v4[0], &v6[4]));
}

static void test_path_is_local(void **state)
{
	static const struct {
		const char *a, *b;
		bool is_local;
	} paths[] = {
	    {"127.0.0.1", "127.0.0.1", true},
	    {"127.0.0.1", "127.9.9.9", true},
	    {"192.0.2.1", "192.0.2.1", true},
	    {"192.0.2.1", "192.0.2.2", false},
	    {"127.0.0.1", "192.0.2.1", false},
	    {"192.0.2.1", "127.0.0.1", false},
	    {"::1", "::1", true},
	    {"2001:db8::1", "2001:db8::1", true},
	    {"2001:db8::1", "2001:db8::2", false},
	    {"::1", "2001:db8::1", false},
	    {"::ffff:192.0.2.1", "192.0.2.1", true},
	    {"::ffff:192.0.2.1", "192.0.2.2", false},
	    {"::ffff:127.0.0.1", "127.0.0.1", true},
	};
	struct peer local = peer_unix(0);

	(void)state;
	for (size_t i = 0; i < array_size(paths); i++) {
		struct peer a = strchr(paths[i].a, ':') ? peer_v6(paths[i].a, 1, 0) : peer_v4(paths[i].a, 1);
		struct peer b = strchr(paths[i].b, ':') ? peer_v6(paths[i].b, 2, 0) : peer_v4(paths[i].b, 2);
		assert_int_equal(peer_path_is_local(&a, &b), paths[i].is_local);
		assert_int_equal(peer_path_is_local(&b, &a), paths[i].is_local);
	}
	assert_true(peer_path_is_local(&local, &local));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_format),
	    cmocka_unit_test(test_format_host_like_prefix),
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_pieces),
	    cmocka_unit_test(test_peer_format),
	    cmocka_unit_test(test_peer_parse),
	    cmocka_unit_test(test_peer_zone),
	    cmocka_unit_test(test_peer_values),
	    cmocka_unit_test(test_loopback_and_same_host),
	    cmocka_unit_test(test_path_is_local),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
