#include "network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "number.h"
#include "words.h"

#define MAPPED_BITS 96 /* ::ffff:0:0/96 (RFC 4291, 2.5.5.2) */

static int fail(const char **why, const char *clause)
{
	*why = clause;
	return -EINVAL;
}

/* Whether the first bits of the two are the same. */
static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

static bool is_mapped(const uint8_t ip[16])
{
	static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff};

	return same_prefix(ip, mapped, MAPPED_BITS);
}

static bool is_zero_behind(const uint8_t *ip, unsigned bits, unsigned size)
{
	for (unsigned bit = bits; bit < size; bit++) {
		if (ip[bit / 8] >> (7 - bit % 8) & 1)
			return false;
	}
	return true;
}

/* The address of text's first len bytes. */
static int parse_ip(const char *text, size_t len, struct network *n)
{
	char ip[INET6_ADDRSTRLEN];

	if (len >= sizeof(ip))
		return -EINVAL;
	memcpy(ip, text, len);
	ip[len] = '\0';
	n->family = memchr(ip, ':', len) ? AF_INET6 : AF_INET;
	return inet_pton(n->family, ip, n->ip) == 1 ? 0 : -EINVAL;
}

static void become_v4(struct network *n)
{
	struct network v4 = {.family = AF_INET, .bits = (uint8_t)(n->bits - MAPPED_BITS)};

	memcpy(v4.ip, n->ip + 12, 4);
	*n = v4;
}

int network_parse(const char *text, struct network *out, const char **why)
{
	size_t len = strcspn(text, "/");
	struct network n = {0};
	uint64_t bits;

	if (parse_ip(text, len, &n))
		return fail(why,
		            N_("a network is an IPv4 or IPv6 address and the length of its prefix, as in 10.0.0.0/8"));
	unsigned size = n.family == AF_INET ? 32 : 128;
	bits = size;
	if (text[len] && number_parse(text + len + 1, 0, size, &bits))
		return fail(why, n.family == AF_INET ? N_("behind the slash stands a number from 0 to 32")
		                                     : N_("behind the slash stands a number from 0 to 128"));
	if (!is_zero_behind(n.ip, (unsigned)bits, size))
		return fail(why, N_("the address has bits set behind the prefix; give the network's first address"));
	n.bits = (uint8_t)bits;
	if (n.family == AF_INET6 && n.bits >= MAPPED_BITS && is_mapped(n.ip))
		become_v4(&n);
	*out = n;
	return 0;
}

bool network_has(const struct network *n, const struct peer *p)
{
	return p->family == n->family && same_prefix(n->ip, p->ip, n->bits);
}

bool network_list_has(const struct network_list *list, const struct peer *p)
{
	for (uint32_t i = 0; i < list->count; i++) {
		if (network_has(&list->network[i], p))
			return true;
	}
	return false;
}
