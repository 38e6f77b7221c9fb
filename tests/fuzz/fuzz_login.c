/*
 * The client's login under any bytes of a server: a byte of flags, then what the server sends, then its end. What is a
 * secret is said only when it was asked for, and not a byte behind the 230 is taken.
 */
#include "fuzz.h"

#include <sys/socket.h>
#include <unistd.h>

#include "login.h"

#define PASSWORD "correct horse"
#define TOKEN    "abcdefghijklmnopqrstuvwxyz0123456789ABCDE-_"
#define SAID_MAX 4096

enum { HAS_TOKEN = 1, HAS_PASSWORD = 2, AGAIN = 4, MAY_CREATE = 8, WANTS_TOKENS = 16 };

struct run {
	const char *text; /* what the server sends */
	size_t len;
	uint8_t flags;
	struct tokens tokens;
	struct secret secret;
	unsigned refusals;
	struct channel channel;
	int server;
};

static void prepare(struct run *r)
{
	int ends[2];

	tokens_init(&r->tokens, false); /* not attached: in memory only */
	if (r->flags & HAS_TOKEN) {
		memcpy(r->tokens.token.text, TOKEN, sizeof(TOKEN));
		r->tokens.token.expires_s = INT64_MAX;
	}
	if (r->flags & HAS_PASSWORD) {
		memcpy(r->secret.text, PASSWORD, sizeof(PASSWORD));
		r->secret.len = sizeof(PASSWORD) - 1;
		r->secret.known = true;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) < 0)
		abort();
	channel_open(&r->channel, ends[0]);
	r->server = ends[1];
	if (r->len > 0 && write(r->server, r->text, r->len) != (ssize_t)r->len)
		abort();
	shutdown(r->server, SHUT_WR);
}

static enum login_outcome log_in(struct run *r, struct login_report *report)
{
	struct login_terms terms = {.where = "here",
	                            .user = "anna",
	                            .may_create = r->flags & MAY_CREATE,
	                            .again = r->flags & AGAIN,
	                            .secret = &r->secret,
	                            .refusals = &r->refusals,
	                            .tokens = r->flags & WANTS_TOKENS ? &r->tokens : NULL};
	enum login_outcome outcome = login_greet(&r->channel, report);

	return outcome == LOGIN_FINE ? login_enter(&r->channel, &terms, report) : outcome;
}

/* Whether the server has said the code at the beginning of a line. */
static bool has_said(const struct run *r, const char *code, size_t upto)
{
	for (size_t i = 0; i + 3 <= upto; i++) {
		if ((i == 0 || r->text[i - 1] == '\n') && memcmp(r->text + i, code, 3) == 0)
			return true;
	}
	return false;
}

static void check_what_was_said(const struct run *r, size_t taken)
{
	char said[SAID_MAX + 1], *next;
	ssize_t n = recv(r->server, said, SAID_MAX, 0);

	said[n > 0 ? n : 0] = '\0';
	CHECK(n < SAID_MAX);
	CHECK(!strstr(said, "PASS ") || (r->flags & HAS_PASSWORD));
	CHECK(!strstr(said, "PASS ") || has_said(r, "331", taken) || has_said(r, "332", taken));
	CHECK(!strstr(said, "RESUME ") ||
	      ((r->flags & HAS_TOKEN) && (r->flags & WANTS_TOKENS) && has_said(r, "200", taken)));
	CHECK(!*said || has_said(r, "220", taken));
	for (char *line = strtok_r(said, "\n", &next); line; line = strtok_r(NULL, "\n", &next))
		CHECK(strcmp(line, "OPTS TOKEN") == 0 || strcmp(line, "USER anna") == 0 ||
		      strcmp(line, "PASS " PASSWORD) == 0 || strncmp(line, "RESUME ", 7) == 0);
}

static void check(struct run *r, enum login_outcome outcome, const struct login_report *report)
{
	char rest[4096];
	ssize_t n = recv(r->channel.fd, rest, sizeof(rest), 0);
	size_t left = n > 0 ? (size_t)n : 0;

	CHECK(left <= r->len);
	size_t taken = r->len - left;
	CHECK(strlen(report->text) < sizeof(report->text));
	for (const char *c = report->text; *c; c++)
		CHECK((unsigned char)*c >= ' ' && *c != 0x7f);
	if (outcome == LOGIN_FINE) {
		CHECK(report->code == 230 && taken > 0 && r->text[taken - 1] == '\n');
		CHECK(has_said(r, "230", taken));
	}
	CHECK(report->resumed <= (outcome == LOGIN_FINE));
	size_t token_len = strlen(r->tokens.token.text);
	CHECK(token_len == 0 || token_len == TOKEN_LEN);
	check_what_was_said(r, taken);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct run r = {0};
	struct login_report report;

	if (len < 1 || len > 3000)
		return 0;
	r.flags = data[0];
	r.text = (const char *)data + 1;
	r.len = len - 1;
	prepare(&r);
	check(&r, log_in(&r, &report), &report);
	channel_close(&r.channel);
	close(r.server);
	tokens_fini(&r.tokens);
	return 0;
}
