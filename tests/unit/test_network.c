/* Networks: what is one, and which peers are in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "network.h"

static const struct good {
	const char *text;
	uint16_t family;
	uint8_t bits;
	const char *in[3], *out[3];
} goods[] = {
    {"10.0.0.0/8", AF_INET, 8, {"10.0.0.0", "10.255.255.255"}, {"9.255.255.255", "11.0.0.0", "a00::"}},
    {"10.1.2.128/25", AF_INET, 25, {"10.1.2.128", "10.1.2.255"}, {"10.1.2.127", "10.1.3.128"}},
    {"192.0.2.1", AF_INET, 32, {"192.0.2.1"}, {"192.0.2.0", "192.0.2.2"}},
    {"192.0.2.1/32", AF_INET, 32, {"192.0.2.1"}, {"192.0.2.0", "192.0.2.2"}},
    {"0.0.0.0/0", AF_INET, 0, {"0.0.0.0", "255.255.255.255", "::ffff:1.2.3.4"}, {"::", "2001:db8::1"}},
    {"128.0.0.0/1", AF_INET, 1, {"128.0.0.0", "255.0.0.1"}, {"127.255.255.255"}},
    {"::/0", AF_INET6, 0, {"::1", "2001:db8::1"}, {"1.2.3.4", "::ffff:1.2.3.4"}},
    {"2001:db8::/32", AF_INET6, 32, {"2001:db8::", "2001:db8:ffff::1"}, {"2001:db7:ffff::", "2001:db9::"}},
    {"2001:db8:0:8::/61", AF_INET6, 61, {"2001:db8:0:8::", "2001:db8:0:f::1"}, {"2001:db8:0:7::", "2001:db8:0:10::"}},
    {"::1", AF_INET6, 128, {"::1"}, {"::", "::2", "0.0.0.1"}},
    {"::ffff:10.0.0.0/104", AF_INET, 8, {"10.1.2.3", "::ffff:10.1.2.3"}, {"11.0.0.0"}},
    {"::ffff:0:0/96", AF_INET, 0, {"1.2.3.4"}, {"::1"}},
};

static const char *const bads[] = {
    "",
    "/",
    "/8",
    "10.0.0.0/",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/+8",
    "10/8",
    "10.0.0/8",
    "10.0.0.0/8 ",
    " 10.0.0.0/8",
    "10.0.0.0/08x",
    "10.0.0.0/8/8",
    "10.0.0.1/8",
    "::1/64",
    "2001:db8::/129",
    "[::1]",
    "[::]/0",
    "fe80::1%eth0",
    "localhost",
    "10.0.0.0/255.0.0.0",
    "::ffff:10.0.0.1/104",
    "unix:/x",
    "10.0.0.0:80",
    "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000/0",
};

static struct peer peer_of(const char *ip)
{
	struct sockaddr_storage s = {.ss_family = strchr(ip, ':') ? AF_INET6 : AF_INET};
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&s;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&s;

	assert_int_equal(
	    inet_pton(s.ss_family, ip, s.ss_family == AF_INET ? (void *)&v4->sin_addr : (void *)&v6->sin6_addr), 1);
	return peer_from_sockaddr(&s);
}

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(goods); i++) {
		struct network n;
		const char *why = NULL;
		if (network_parse(goods[i].text, &n, &why))
			fail_msg("'%s' is refused: %s", goods[i].text, why);
		assert_int_equal(n.family, goods[i].family);
		assert_int_equal(n.bits, goods[i].bits);
		for (size_t j = 0; j < 3; j++) {
			struct peer in = peer_of(goods[i].in[j] ? goods[i].in[j] : goods[i].in[0]);
			struct peer out = peer_of(goods[i].out[j] ? goods[i].out[j] : goods[i].out[0]);
			if (!network_has(&n, &in) || network_has(&n, &out))
				fail_msg("'%s', pair %zu: the wrong one is in it", goods[i].text, j);
		}
	}
}

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(bads); i++) {
		struct network n;
		const char *why = NULL;
		if (network_parse(bads[i], &n, &why) != -EINVAL)
			fail_msg("'%s' is taken", bads[i]);
		assert_true(why && strlen(why) > 10);
	}
}

static void test_list(void **state)
{
	struct network_list list = {0};
	struct peer v4 = peer_of("10.0.0.1"), v6 = peer_of("::1"), other = peer_of("11.0.0.1");
	struct peer local = {.family = AF_UNIX};
	const char *why;

	(void)state;
	assert_false(network_list_has(&list, &v4));
	assert_int_equal(network_parse("10.0.0.0/8", &list.network[list.count++], &why), 0);
	assert_int_equal(network_parse("::1", &list.network[list.count++], &why), 0);
	assert_true(network_list_has(&list, &v4));
	assert_true(network_list_has(&list, &v6));
	assert_false(network_list_has(&list, &other));
	assert_false(network_list_has(&list, &local));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
