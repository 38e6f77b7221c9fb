#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "number.h"
#include "text.h"
#include "words.h"

#define LOOPBACK "127.0.0.1"

static const char why_port[] = N_("a port is a whole number from 0 to 65535");
static const char why_brackets[] = N_("an IPv6 address goes in brackets, as in [::1]:7862");

static const struct {
	const char *text;
	bool raw, tls, is_unix;
} prefixes[] = {
    {"login:", false, false, false}, {"raw+tls:", true, true, false}, {"raw+unix:", true, false, true},
    {"raw:", true, false, false},    {"unix:", false, false, true},   {"tls:", false, true, false},
};

static int fail(const char **why, const char *sentence)
{
	*why = sentence;
	return -EINVAL;
}

static bool is_prefix(const char *host)
{
	size_t n = strlen(host);

	for (size_t i = 0; i < array_size(prefixes); i++) {
		if (strncmp(prefixes[i].text, host, n) == 0 && strcmp(prefixes[i].text + n, ":") == 0)
			return true;
	}
	return false;
}

static const char *parse_prefix(const char *text, struct address *a)
{
	for (size_t i = 0; i < array_size(prefixes); i++) {
		size_t n = strlen(prefixes[i].text);
		if (strncmp(text, prefixes[i].text, n) == 0) {
			a->raw = prefixes[i].raw;
			a->tls = prefixes[i].tls;
			a->is_unix = prefixes[i].is_unix;
			return text + n;
		}
	}
	return text;
}

static int parse_path(const char *path, struct address *a, const char **why)
{
	if (!*path)
		return fail(why, N_("a unix address needs a path, as in unix:/run/echod.sock"));
	if (!text_copy(a->path, sizeof(a->path), path))
		return fail(why, N_("a unix socket's path has at most 107 bytes: give a shorter one"));
	return 0;
}

static int parse_port(const char *text, size_t len, uint16_t *port)
{
	char digits[8];
	uint64_t n;

	if (len == 0 || len >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, text, len);
	digits[len] = '\0';
	if (number_parse(digits, 0, 65535, &n))
		return -EINVAL;
	*port = (uint16_t)n;
	return 0;
}

static int parse_ports(const char *text, struct address *a, const char **why)
{
	const char *dash = strchr(text, '-');

	if (!dash) {
		a->port_kind = ADDRESS_PORT_EXPLICIT;
		if (parse_port(text, strlen(text), &a->first))
			return fail(why, why_port);
		a->last = a->first;
		return 0;
	}
	a->port_kind = ADDRESS_PORT_RANGE;
	if (parse_port(text, (size_t)(dash - text), &a->first) || parse_port(dash + 1, strlen(dash + 1), &a->last))
		return fail(why, why_port);
	if (a->first == 0 || a->first > a->last)
		return fail(why, N_("a range of ports is FIRST-LAST, with FIRST from 1 to LAST"));
	return 0;
}

static int set_host(struct address *a, const char *host, size_t len, const char **why)
{
	if (len == 0) {
		text_copy(a->host, sizeof(a->host), LOOPBACK);
		return 0;
	}
	if (len >= sizeof(a->host))
		return fail(why, N_("a host name has at most 253 characters"));
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)host[i];
		if (c <= ' ' || c == 0x7f || c == '/' || c == '[' || c == ']')
			return fail(why, N_("a host name holds no space, control character, slash or bracket"));
	}
	memcpy(a->host, host, len);
	a->host[len] = '\0';
	return 0;
}

static bool all_digits(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

static int parse_host_port(const char *text, struct address *a, const char **why)
{
	const char *end, *port = NULL;
	int err;

	if (!*text)
		return fail(why, N_("an address is HOST, HOST:PORT, :PORT or PORT"));
	if (all_digits(text)) { /* a bare number is a port */
		text_copy(a->host, sizeof(a->host), LOOPBACK);
		return parse_ports(text, a, why);
	}
	if (*text == '[') {
		end = strchr(text, ']');
		if (!end || end == text + 1)
			return fail(why, why_brackets);
		if (end[1] == ':')
			port = end + 2;
		else if (end[1])
			return fail(why, N_("after [IPv6] comes nothing, or a colon and a port"));
		text++;
	} else {
		end = strchr(text, ':');
		if (end && strchr(end + 1, ':'))
			return fail(why, why_brackets);
		if (end)
			port = end + 1;
		else
			end = text + strlen(text);
	}
	err = set_host(a, text, (size_t)(end - text), why);
	if (err || !port)
		return err;
	return parse_ports(port, a, why);
}

int address_parse(const char *text, uint16_t default_port, struct address *out, const char **why)
{
	*out = (struct address){.port_kind = ADDRESS_PORT_DEFAULT, .first = default_port, .last = default_port};
	const char *rest = parse_prefix(text, out);
	return out->is_unix ? parse_path(rest, out, why) : parse_host_port(rest, out, why);
}

void address_format(const struct address *a, uint16_t port, char text[ADDRESS_TEXT_MAX])
{
	const char *prefix = "";

	for (size_t i = 0; i < array_size(prefixes); i++) {
		if (prefixes[i].raw == a->raw && prefixes[i].tls == a->tls && prefixes[i].is_unix == a->is_unix)
			prefix = prefixes[i].text;
	}
	/* A login address needs none, unless its host would be taken for one. */
	if (!a->raw && !a->tls && !a->is_unix && !is_prefix(a->host))
		prefix = "";
	if (a->is_unix)
		snprintf(text, ADDRESS_TEXT_MAX, "%s%s", prefix, a->path);
	else if (strchr(a->host, ':'))
		snprintf(text, ADDRESS_TEXT_MAX, "%s[%s]:%u", prefix, a->host, port);
	else
		snprintf(text, ADDRESS_TEXT_MAX, "%s%s:%u", prefix, a->host, port);
}

struct peer peer_from_sockaddr(const struct sockaddr_storage *s)
{
	struct peer p = {.family = s->ss_family == AF_UNIX ? AF_UNIX : AF_UNSPEC};

	if (s->ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)s;
		p.family = AF_INET;
		p.port = ntohs(v4->sin_port);
		memcpy(p.ip, &v4->sin_addr, 4);
	} else if (s->ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)s;
		p.port = ntohs(v6->sin6_port);
		if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
			p.family = AF_INET;
			memcpy(p.ip, v6->sin6_addr.s6_addr + 12, 4);
		} else {
			p.family = AF_INET6;
			p.scope = v6->sin6_scope_id;
			memcpy(p.ip, v6->sin6_addr.s6_addr, 16);
		}
	}
	return p;
}

void peer_format_host(const struct peer *p, char text[PEER_TEXT_MAX])
{
	char zone[IF_NAMESIZE];

	if (p->family == AF_UNIX) {
		snprintf(text, PEER_TEXT_MAX, "unix:uid=%u", p->scope);
		return;
	}
	if (!inet_ntop(p->family, p->ip, text, PEER_TEXT_MAX))
		snprintf(text, PEER_TEXT_MAX, "?");
	if (p->family == AF_INET6 && p->scope) {
		size_t n = strlen(text);
		if (!if_indextoname(p->scope, zone))
			snprintf(zone, sizeof(zone), "%u", p->scope);
		snprintf(text + n, PEER_TEXT_MAX - n, "%%%s", zone);
	}
}

void peer_format(const struct peer *p, char text[PEER_TEXT_MAX])
{
	char host[PEER_TEXT_MAX];

	peer_format_host(p, host);
	if (p->family == AF_UNIX)
		snprintf(text, PEER_TEXT_MAX, "%s", host);
	else
		snprintf(text, PEER_TEXT_MAX, p->family == AF_INET6 ? "[%.70s]:%u" : "%.70s:%u", host, p->port);
}

int peer_parse(const char *text, struct peer *out)
{
	static const char user[] = "unix:uid=";
	bool v6 = *text == '[';
	struct peer p = {.family = v6 ? AF_INET6 : AF_INET};
	char host[PEER_TEXT_MAX], *end;
	uint64_t number;

	if (strncmp(text, user, sizeof(user) - 1) == 0) {
		if (number_parse(text + sizeof(user) - 1, 0, UINT32_MAX, &number))
			return -EINVAL;
		*out = (struct peer){.family = AF_UNIX, .scope = (uint32_t)number};
		return 0;
	}
	if (!text_copy(host, sizeof(host), text + v6) || !(end = strstr(host, v6 ? "]:" : ":")))
		return -EINVAL;
	if (number_parse(end + (v6 ? 2 : 1), 0, UINT16_MAX, &number))
		return -EINVAL;
	*end = '\0';
	if (inet_pton(p.family, host, p.ip) != 1)
		return -EINVAL;
	p.port = (uint16_t)number;
	*out = p;
	return 0;
}

bool peer_is_loopback(const struct peer *p)
{
	static const uint8_t v6[16] = {[15] = 1};

	if (p->family == AF_INET)
		return p->ip[0] == 127;
	return p->family == AF_UNIX || memcmp(p->ip, v6, sizeof(v6)) == 0;
}

bool peer_same_host(const struct peer *a, const struct peer *b)
{
	return a->family == b->family && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

bool peer_path_is_local(const struct peer *a, const struct peer *b)
{
	if (a->family == AF_UNIX)
		return true;
	return (peer_is_loopback(a) && peer_is_loopback(b)) || peer_same_host(a, b);
}
