#include "proxy.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include "must.h"

#define V2_HEAD_LEN 16

static const uint8_t v1_begins[6] = {'P', 'R', 'O', 'X', 'Y', ' '};
static const uint8_t v2_begins[12] = {'\r', '\n', '\r', '\n', '\0', '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};

static enum proxy_result bad(const char **why, const char *clause)
{
	*why = clause;
	return PROXY_BAD;
}

/* Whether the two are the same as far as both go. */
static bool begins_alike(const uint8_t *data, size_t len, const uint8_t *begins, size_t begins_len)
{
	return memcmp(data, begins, len < begins_len ? len : begins_len) == 0;
}

/* Takes the line's next word, up to a space or the end. False: there is none, or it is longer than cap. */
static bool next_word(const char **line, char *word, size_t cap)
{
	size_t n = strcspn(*line, " ");

	if (n == 0 || n >= cap)
		return false;
	memcpy(word, *line, n);
	word[n] = '\0';
	*line += n;
	return true;
}

static bool take_space(const char **line)
{
	return *(*line)++ == ' ';
}

static bool take_ip(const char **line, int family, uint8_t *ip)
{
	char word[INET6_ADDRSTRLEN];

	return next_word(line, word, sizeof(word)) && inet_pton(family, word, ip) == 1;
}

/* Decimal, 0 to 65535, without leading zeros (2.1). */
static bool take_port(const char **line, uint16_t *port)
{
	char word[6];
	uint32_t value = 0;

	if (!next_word(line, word, sizeof(word)) || (word[0] == '0' && word[1]))
		return false;
	for (const char *digit = word; *digit; digit++) {
		if (*digit < '0' || *digit > '9')
			return false;
		value = value * 10 + (uint32_t)(*digit - '0');
	}
	*port = (uint16_t)value;
	return value <= UINT16_MAX;
}

/* `TCP4 source destination source-port destination-port`, and no more. */
static bool parse_ends(const char *line, int family, struct proxy_header *h)
{
	return take_space(&line) && take_ip(&line, family, h->source.ip) && take_space(&line) &&
	       take_ip(&line, family, h->destination.ip) && take_space(&line) && take_port(&line, &h->source.port) &&
	       take_space(&line) && take_port(&line, &h->destination.port) && !*line;
}

/* text: what stands between `PROXY ` and CRLF, NUL-ended. */
static enum proxy_result parse_line(const char *text, struct proxy_header *h, const char **why)
{
	char word[8];

	if (!next_word(&text, word, sizeof(word)))
		return bad(why, "its PROXY line names no protocol");
	if (strcmp(word, "UNKNOWN") == 0) { /* what may follow is to be ignored (2.1) */
		h->kind = PROXY_UNKNOWN;
		return PROXY_DONE;
	}
	if (strcmp(word, "TCP4") == 0)
		h->kind = PROXY_TCP4;
	else if (strcmp(word, "TCP6") == 0)
		h->kind = PROXY_TCP6;
	else
		return bad(why, "its PROXY line names a protocol that is not TCP4, TCP6 or UNKNOWN");
	if (!parse_ends(text, h->kind == PROXY_TCP4 ? AF_INET : AF_INET6, h))
		return bad(why, "the addresses in its PROXY line are malformed");
	return PROXY_DONE;
}

static enum proxy_result parse_v1(const uint8_t *data, size_t len, struct proxy_header *h, const char **why)
{
	char text[PROXY_LINE_MAX + 1] = "";
	size_t n = sizeof(v1_begins);

	while (n < len && data[n] >= ' ' && data[n] < 0x7f && n < PROXY_LINE_MAX - 2)
		n++;
	if (n >= len)
		return PROXY_MORE;
	if (data[n] != '\r')
		return bad(why, n == PROXY_LINE_MAX - 2 ? "its PROXY line is longer than 107 bytes"
		                                        : "its PROXY line does not end in CRLF");
	if (n + 1 == len)
		return PROXY_MORE;
	if (data[n + 1] != '\n')
		return bad(why, "its PROXY line does not end in CRLF");
	memcpy(text, data + sizeof(v1_begins), n - sizeof(v1_begins));
	h->len = n + 2;
	return parse_line(text, h, why);
}

static uint16_t big_endian_16(const uint8_t *data)
{
	return (uint16_t)(data[0] << 8 | data[1]);
}

/* Both addresses of ip_len bytes, then both ports (2.2). */
static void read_ends(const uint8_t *block, size_t ip_len, struct proxy_header *h)
{
	memcpy(h->source.ip, block, ip_len);
	memcpy(h->destination.ip, block + ip_len, ip_len);
	h->source.port = big_endian_16(block + 2 * ip_len);
	h->destination.port = big_endian_16(block + 2 * ip_len + 2);
}

/* Family and transport, in one byte, and how long the addresses of each are. */
static const struct {
	uint8_t code;
	enum proxy_kind kind;
	uint16_t block_len;
} families[] = {{0x00, PROXY_UNKNOWN, 0}, {0x11, PROXY_TCP4, 12}, {0x21, PROXY_TCP6, 36}, {0x31, PROXY_UNKNOWN, 216}};

/* The head has all of its bytes; what follows it may not. */
static enum proxy_result parse_v2_head(const uint8_t *data, struct proxy_header *h, const char **why)
{
	size_t block_len = big_endian_16(data + 14);

	if (data[12] != 0x20 && data[12] != 0x21)
		return bad(why, data[12] >> 4 == 2 ? "its header's command is neither LOCAL nor PROXY"
		                                   : "its header's version is not 2");
	h->len = V2_HEAD_LEN + block_len;
	if (h->len > PROXY_HEADER_MAX)
		return bad(why, "its header is longer than 1048 bytes");
	h->kind = PROXY_LOCAL;
	if (data[12] == 0x20) /* LOCAL: whatever the rest says is to be ignored */
		return PROXY_DONE;
	for (size_t i = 0; i < array_size(families); i++) {
		if (families[i].code != data[13])
			continue;
		h->kind = families[i].kind;
		return block_len < families[i].block_len ? bad(why, "its header is too short for its addresses")
		                                         : PROXY_DONE;
	}
	return bad(why, "its header's addresses are of no stream of IPv4, IPv6 or unix sockets");
}

static enum proxy_result parse_v2(const uint8_t *data, size_t len, struct proxy_header *h, const char **why)
{
	if (len < V2_HEAD_LEN)
		return PROXY_MORE;
	enum proxy_result result = parse_v2_head(data, h, why);
	if (result != PROXY_DONE)
		return result;
	if (len < h->len)
		return PROXY_MORE;
	if (h->kind == PROXY_TCP4 || h->kind == PROXY_TCP6)
		read_ends(data + V2_HEAD_LEN, h->kind == PROXY_TCP4 ? 4 : 16, h);
	return PROXY_DONE;
}

enum proxy_result proxy_parse(const uint8_t *data, size_t len, struct proxy_header *out, const char **why)
{
	struct proxy_header h = {0};
	enum proxy_result result;

	if (len == 0)
		return PROXY_MORE;
	if (begins_alike(data, len, v1_begins, sizeof(v1_begins)))
		result = len > sizeof(v1_begins) ? parse_v1(data, len, &h, why) : PROXY_MORE;
	else if (begins_alike(data, len, v2_begins, sizeof(v2_begins)))
		result = parse_v2(data, len, &h, why);
	else
		result = bad(why, "it began with something else than a PROXY header");
	if (result == PROXY_DONE)
		*out = h;
	return result;
}
