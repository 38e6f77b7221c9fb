/*
 * What echoc keeps in files and what a server says of a token: known_servers, a token's file, a 230-TOKEN line. Any
 * bytes: they are read as each of the three.
 */
#include "fuzz.h"

#include "known_servers.h"
#include "token.h"

#define NAME     "host:1"
#define PIN      "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define IDENTITY "127.0.0.1:7862"
#define USER     "anna"

static unsigned lines_of(const char *text, size_t len)
{
	unsigned n = 1;

	for (size_t i = 0; i < len; i++)
		n += text[i] == '\n';
	return n;
}

static void check_known_servers(const char *text, size_t len)
{
	struct known_servers_match match = {0};
	enum known_servers_result result = known_servers_search(text, len, NAME, PIN, &match);
	static const char line[] = "\n" NAME " " PIN "\n";
	char *more = malloc(len + sizeof(line));

	if (!more)
		abort();
	CHECK((result == KNOWN_SERVERS_NONE) == (match.line == 0));
	CHECK(match.line <= lines_of(text, len));
	if (result != KNOWN_SERVERS_NONE) {
		CHECK(known_servers_is_pin(match.pin));
		CHECK(tls_pin_same(match.pin, PIN) == (result == KNOWN_SERVERS_SAME));
		CHECK(memmem(text, len, NAME, sizeof(NAME) - 1) && memmem(text, len, match.pin, strlen(match.pin)));
	}
	/* A line more is found whatever stands before it. */
	if (len > 0)
		memcpy(more, text, len);
	memcpy(more + len, line, sizeof(line));
	CHECK(known_servers_search(more, len + sizeof(line) - 1, NAME, PIN, &match) == KNOWN_SERVERS_SAME);
	free(more);
}

/* What was read can be written, and is the same when it is read again. */
static void check_round_trip(const struct token *t)
{
	char text[TOKEN_FILE_MAX];
	struct token back = {0};
	int n = token_format_file(text, t, IDENTITY, USER);

	CHECK(strlen(t->text) == TOKEN_LEN);
	if (n < 0)
		return; /* a year before 1000, which has no four digits */
	CHECK(token_parse_file(&back, text, (size_t)n, IDENTITY, USER));
	CHECK(strcmp(back.text, t->text) == 0 && back.expires_s == t->expires_s);
}

static void check_token(const char *text, size_t len)
{
	struct token line = {0}, file = {0};

	if (token_parse(&line, text, len))
		check_round_trip(&line);
	else
		CHECK(!*line.text);
	if (token_parse_file(&file, text, len, IDENTITY, USER))
		check_round_trip(&file);
	else
		CHECK(!*file.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + (len == 0)); /* of just this length, for the sanitizer to watch */

	if (!text)
		abort();
	if (len > 0)
		memcpy(text, data, len);
	check_known_servers(text, len);
	check_token(text, len);
	free(text);
	return 0;
}
