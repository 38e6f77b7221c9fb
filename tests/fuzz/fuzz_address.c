/* Addresses: what is parsed and written is parsed the same again; and peers as any bytes of a kernel. */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "address.h"

static void check_same(const struct address *a, const struct address *b)
{
	CHECK(a->raw == b->raw && a->tls == b->tls && a->is_unix == b->is_unix);
	CHECK(strcmp(a->host, b->host) == 0);
	CHECK(strcmp(a->path, b->path) == 0);
}

static void check_parsed(const struct address *a)
{
	CHECK(memchr(a->host, '\0', sizeof(a->host)) && memchr(a->path, '\0', sizeof(a->path)));
	CHECK(a->is_unix == (a->host[0] == '\0') && a->is_unix == (a->path[0] != '\0'));
	CHECK(a->first <= a->last && (a->port_kind == ADDRESS_PORT_RANGE || a->first == a->last));
	CHECK(a->port_kind != ADDRESS_PORT_RANGE || a->first > 0);
	CHECK(!(a->tls && a->is_unix));
	CHECK(a->is_unix || !strpbrk(a->host, " []/\n\r\t\x7f"));
}

static void check_text(const char *text)
{
	struct address a, b;
	char written[ADDRESS_TEXT_MAX];
	const char *why = NULL;

	int err = address_parse(text, 7862, &a, &why);
	if (err) {
		CHECK(err == -EINVAL && why && *why);
		return;
	}
	check_parsed(&a);
	address_format(&a, a.last, written);
	CHECK(strlen(written) < sizeof(written) - 1); /* nothing was cut */
	CHECK(address_parse(written, 1, &b, &why) == 0);
	check_same(&a, &b);
	CHECK(a.is_unix || (b.port_kind == ADDRESS_PORT_EXPLICIT && b.first == a.last && b.last == a.last));
}

static void check_peer(const uint8_t *data, size_t len)
{
	struct sockaddr_storage s = {0};
	char text[PEER_TEXT_MAX], host[PEER_TEXT_MAX];

	memcpy(&s, data, len < sizeof(s) ? len : sizeof(s));
	struct peer peer = peer_from_sockaddr(&s);
	peer_format(&peer, text);
	peer_format_host(&peer, host);
	CHECK(strlen(text) > 0 && strlen(text) < sizeof(text) - 1);
	CHECK(strstr(text, host));
	CHECK(peer_same_host(&peer, &peer));
	CHECK(!peer_is_loopback(&peer) || peer_path_is_local(&peer, &peer));
	if (peer.family == AF_INET6) { /* what is mapped has become IPv4 */
		static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
		CHECK(memcmp(peer.ip, mapped, sizeof(mapped)) != 0);
	}
}

/* The first byte says which: 0 a sockaddr, else the text itself. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len > 0 && data[0] == 0) {
		check_peer(data + 1, len - 1);
		return 0;
	}
	char *text = fuzz_string(data, len);
	check_text(text);
	free(text);
	return 0;
}
