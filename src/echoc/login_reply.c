#include "login_reply.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "number.h"
#include "reply.h"
#include "text.h"
#include "trace.h"
#include "wait.h"
#include "words.h"

#define BAD_SHOWN 64 /* bytes of what is no reply */

void login_reply_set_text(struct login_report *report, const char *text, size_t len)
{
	text_escape_utf8(report->text, sizeof(report->text), text, len);
}

/*
 * One event of the reply. No more than a line is received, so that the echoed bytes behind a 230 stay where they are.
 * Returns a reply_event, or a negative errno.
 */
static int next_event(struct channel *c, struct reply *r, uint64_t until_ms)
{
	uint8_t buf[WIRE_LINE_MAX];
	size_t used;
	int err = channel_wait(c, POLLIN, until_ms);

	if (err)
		return err;
	ssize_t n = channel_receive_line(c, buf, sizeof(buf));
	if (n <= 0)
		return n == -EAGAIN ? REPLY_MORE : n == 0 ? -EPIPE : (int)n;
	enum reply_event event = reply_feed(r, buf, (size_t)n, &used);
	explicit_bzero(buf, sizeof(buf)); /* it may be a token */
	return (int)event;
}

/* Where text begins with word, what is behind it; else NULL. */
static const char *behind(const char *text, const char *word)
{
	size_t len = strlen(word);

	return strncmp(text, word, len) == 0 ? text + len : NULL;
}

/* What the server tells of itself and of the path. */
static void take_news(unsigned code, struct login_report *report)
{
	const char *seen = code == 230 ? behind(report->text, "You come from ") : NULL;
	const char *idle = code == 211 ? behind(report->text, "IDLE ") : NULL;
	uint64_t idle_s;

	if (seen)
		(void)text_copy(report->seen_as, sizeof(report->seen_as), seen);
	if (idle && !number_parse(idle, 0, UINT32_MAX, &idle_s))
		report->idle_limit_s = idle_s;
}

static void trace_reply(const struct channel *c, const struct reply *r, char behind_code)
{
	char line[WIRE_LINE_MAX + 1];
	size_t len;
	const char *text = reply_text(r, &len);

	if (!c->trace)
		return;
	int n = snprintf(line, sizeof(line), "%03u%c%.*s", r->code, behind_code, (int)len, text);
	trace_line(c->trace, TRACE_CAME, line, n < (int)sizeof(line) ? (size_t)n : sizeof(line) - 1);
	explicit_bzero(line, sizeof(line)); /* it may be a token */
}

/* Takes a line of the reply: the one with a token is for nobody to see. */
static void take_line(const struct reply *r, const struct login_news *news, struct login_report *report)
{
	static const char word[] = "TOKEN ";
	size_t len, word_len = sizeof(word) - 1;
	const char *text = reply_text(r, &len);

	if (r->code == 230 && len >= word_len && memcmp(text, word, word_len) == 0) {
		if (news && news->token)
			(void)token_parse(news->token, text + word_len, len - word_len);
		return;
	}
	login_reply_set_text(report, text, len);
	take_news(r->code, report);
	if (news && news->show && r->code == 230)
		news->show(report->text);
}

static int read_reply(struct channel *c, struct reply *r, uint64_t until_ms, const struct login_news *news,
                      struct login_report *report)
{
	const char *why;

	for (;;) {
		int event = next_event(c, r, until_ms);
		switch (event) {
		case REPLY_MORE: continue;
		case REPLY_LINE:
			trace_reply(c, r, '-');
			take_line(r, news, report);
			continue;
		case REPLY_DONE:
			trace_reply(c, r, ' ');
			take_line(r, news, report);
			report->code = r->code;
			return 0;
		case REPLY_BAD:
			report->endless = r->total == REPLY_TOTAL_MAX;
			login_reply_set_text(report, r->line, r->len < BAD_SHOWN ? r->len : BAD_SHOWN);
			return -EBADMSG;
		default:
			why = channel_why(c, event);
			login_reply_set_text(report, why, strlen(why));
			return event;
		}
	}
}

int login_reply_read(struct channel *c, unsigned limit_ms, const struct login_news *news, struct login_report *report)
{
	struct reply r;

	reply_init(&r);
	report->code = 0;
	int err = read_reply(c, &r, wait_now_ms() + limit_ms, news, report);
	explicit_bzero(&r, sizeof(r));
	return err;
}

enum login_outcome login_reply_failed(int err, struct login_report *report)
{
	if (err == -EBADMSG)
		return LOGIN_NOT_PROTOCOL;
	if (err == CHANNEL_FAILED)
		return LOGIN_TLS_FAILED;
	if (err == -ETIMEDOUT)
		snprintf(report->text, sizeof(report->text), _("no answer in %d s"), LOGIN_REPLY_MS / 1000);
	return LOGIN_ENDED;
}

static int send_all(struct channel *c, const char *data, size_t len, uint64_t until_ms)
{
	for (;;) {
		ssize_t n = len > 0 ? channel_send(c, data, len) : channel_flush(c);
		if (n < 0 && n != -EAGAIN)
			return (int)n;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
		if (len == 0 && !channel_unsent(c))
			return 0;
		int err = n > 0 ? 0 : channel_wait(c, POLLOUT, until_ms);
		if (err)
			return err;
	}
}

/* A line ends in LF alone, which leaves one byte more for the longest password. */
enum login_outcome login_reply_to(struct channel *c, const char *word, const char *argument, size_t len,
                                  const struct login_news *news, struct login_report *report)
{
	char line[WIRE_LINE_MAX];
	size_t n = strlen(word);

	memcpy(line, word, n);
	if (len > 0)
		line[n++] = ' ';
	memcpy(line + n, argument, len);
	if (c->trace)
		trace_line(c->trace, TRACE_SENT, line, n + len);
	line[n + len] = '\n';
	int err = send_all(c, line, n + len + 1, wait_now_ms() + LOGIN_REPLY_MS);
	explicit_bzero(line, sizeof(line));
	/* Where the sending failed, a 421 may have come before; nothing is worth waiting for. */
	int unread = login_reply_read(c, err ? 0 : LOGIN_REPLY_MS, news, report);
	if (err && unread == -ETIMEDOUT) {
		const char *why = channel_why(c, err);
		login_reply_set_text(report, why, strlen(why));
		unread = err;
	}
	if (unread)
		return login_reply_failed(unread, report);
	return report->code == 421 || report->code == 451 ? LOGIN_BUSY : LOGIN_FINE;
}
