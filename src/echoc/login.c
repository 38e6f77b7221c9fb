#include "login.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "address.h"
#include "program.h"
#include "reply.h"
#include "status.h"
#include "text.h"
#include "wait.h"

int login_path_is_local(int fd)
{
	struct sockaddr_storage here = {0}, there = {0};
	socklen_t here_len = sizeof(here), there_len = sizeof(there);

	if (getsockname(fd, (struct sockaddr *)&here, &here_len) < 0 ||
	    getpeername(fd, (struct sockaddr *)&there, &there_len) < 0)
		return -errno;
	struct peer a = peer_from_sockaddr(&here), b = peer_from_sockaddr(&there);
	return peer_path_is_local(&a, &b);
}

static void keep_text(struct login_report *report, const char *text, size_t len)
{
	text_escape_utf8(report->text, sizeof(report->text), text, len);
}

/* Takes off the socket what was peeked at. */
static int take(int fd, size_t len)
{
	uint8_t rest[4096];

	while (len > 0) {
		ssize_t n = recv(fd, rest, len < sizeof(rest) ? len : sizeof(rest), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		len -= (size_t)n;
	}
	return 0;
}

/*
 * One event of the reply. Bytes are peeked at first and only those of one line taken, so that the echoed bytes behind a
 * 230 stay in the socket. Returns a reply_event, or a negative errno.
 */
static int next_event(int fd, struct reply *r, uint64_t until_ms)
{
	uint8_t buf[WIRE_LINE_MAX];
	size_t used;
	int err = wait_ready(fd, POLLIN, until_ms);

	if (err)
		return err;
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_PEEK);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? REPLY_MORE : -errno;
	if (n == 0)
		return -EPIPE;
	enum reply_event event = reply_feed(r, buf, (size_t)n, &used);
	err = take(fd, used);
	return err ? err : (int)event;
}

/* Reads a whole reply into report. Returns 0; -ETIMEDOUT; -EPROTO, the text then being what came; or another errno. */
static int read_reply(int fd, unsigned limit_ms, void (*show)(const char *), struct login_report *report)
{
	uint64_t until = wait_now_ms() + limit_ms;
	struct reply r;
	const char *text;
	size_t len;

	reply_init(&r);
	report->code = 0;
	for (;;) {
		int event = next_event(fd, &r, until);
		switch (event) {
		case REPLY_MORE: continue;
		case REPLY_LINE:
		case REPLY_DONE:
			text = reply_text(&r, &len);
			keep_text(report, text, len);
			if (show && r.code == 230)
				show(report->text);
			if (event == REPLY_LINE)
				continue;
			report->code = r.code;
			return 0;
		case REPLY_BAD: keep_text(report, r.line, r.len < 64 ? r.len : 64); return -EPROTO;
		default:
			text = event == -EPIPE ? "it ended the connection" : strerror(-event);
			keep_text(report, text, strlen(text));
			return event;
		}
	}
}

static enum login_outcome failed(int err, struct login_report *report)
{
	if (err == -EPROTO)
		return LOGIN_NOT_PROTOCOL;
	if (err == -ETIMEDOUT)
		snprintf(report->text, sizeof(report->text), "no answer in %d s", LOGIN_REPLY_MS / 1000);
	return LOGIN_ENDED;
}

enum login_outcome login_greet(int fd, struct login_report *report)
{
	*report = (struct login_report){0};
	int err = read_reply(fd, LOGIN_GREETING_MS, NULL, report);
	if (err == -ETIMEDOUT)
		return LOGIN_NO_GREETING;
	if (err)
		return failed(err, report);
	if (report->code == 421 || report->code == 451)
		return LOGIN_BUSY;
	return report->code == 220 ? LOGIN_FINE : LOGIN_NOT_PROTOCOL;
}

static int send_all(int fd, const char *data, size_t len, uint64_t until_ms)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
		int err = len > 0 ? wait_ready(fd, POLLOUT, until_ms) : 0;
		if (err)
			return err;
	}
	return 0;
}

/* Sends a command and reads its reply. A line ends in LF alone, which leaves one byte more for the longest password. */
static enum login_outcome command(int fd, const char *word, const char *argument, size_t len,
                                  void (*show)(const char *), struct login_report *report)
{
	char line[WIRE_LINE_MAX];
	size_t n = strlen(word);

	memcpy(line, word, n);
	memcpy(line + n, argument, len);
	line[n + len] = '\n';
	int err = send_all(fd, line, n + len + 1, wait_now_ms() + LOGIN_REPLY_MS);
	explicit_bzero(line, sizeof(line));
	/* Where the sending failed, a 421 may have come before; nothing is worth waiting for. */
	int unread = read_reply(fd, err ? 0 : LOGIN_REPLY_MS, show, report);
	if (err && unread == -ETIMEDOUT) {
		keep_text(report, strerror(-err), strlen(strerror(-err)));
		unread = err;
	}
	if (unread)
		return failed(unread, report);
	return report->code == 421 || report->code == 451 ? LOGIN_BUSY : LOGIN_FINE;
}

static enum login_outcome say_user(int fd, const struct login_terms *terms, struct login_report *report)
{
	enum login_outcome outcome = command(fd, "USER ", terms->user, strlen(terms->user), NULL, report);

	if (outcome != LOGIN_FINE)
		return outcome;
	switch (report->code) {
	case 331: return LOGIN_FINE;
	case 332: return terms->may_create ? LOGIN_FINE : LOGIN_NO_REGISTER;
	case 501: return LOGIN_BAD_NAME;
	case 530: return LOGIN_REFUSED;
	case 534: return LOGIN_NO_SECRET;
	default: return LOGIN_NOT_PROTOCOL;
	}
}

/* Whether the server has said or done something while nobody listened: its login deadline passed. */
static bool has_spoken(int fd)
{
	return wait_ready(fd, POLLIN, 0) != -ETIMEDOUT;
}

/* Sees to it that the password is known and can be what the server has asked for. */
static enum login_outcome need_secret(int fd, const struct login_terms *terms, struct login_report *report)
{
	bool creates = report->code == 332;
	struct secret *secret = terms->secret;

	if (!secret->known) {
		if (!terms->may_ask)
			return LOGIN_NO_PASSWORD;
		if (secret_ask(terms->user, creates, secret))
			return LOGIN_NO_ANSWER;
		report->asked = true;
		if (has_spoken(fd)) {
			keep_text(report, "", 0);
			return LOGIN_ENDED;
		}
	}
	if (creates && (secret->len < WIRE_SECRET_BYTES_MIN || secret->len > WIRE_SECRET_BYTES_MAX)) {
		snprintf(report->text, sizeof(report->text), "a new account's password has %d to %d bytes",
		         WIRE_SECRET_BYTES_MIN, WIRE_SECRET_BYTES_MAX);
		return LOGIN_BAD_SECRET;
	}
	report->created = creates;
	return LOGIN_FINE;
}

static enum login_outcome say_pass(int fd, const struct login_terms *terms, struct login_report *report)
{
	enum login_outcome outcome = command(fd, "PASS ", terms->secret->text, terms->secret->len, terms->show, report);

	if (outcome != LOGIN_FINE)
		return outcome;
	switch (report->code) {
	case 230: return LOGIN_FINE;
	case 501: return LOGIN_BAD_SECRET;
	case 530: return LOGIN_REFUSED;
	case 534: return LOGIN_NO_SECRET;
	default: return LOGIN_NOT_PROTOCOL;
	}
}

/* Whether a person may try once more; says why it is needed, and forgets the password that was wrong. */
static bool try_again(const struct login_terms *terms, const struct login_report *report)
{
	if (!terms->may_ask || !terms->secret->typed || ++*terms->refusals >= WIRE_STRIKES_MAX)
		return false;
	program_say(ECHOC, "%s answered %u %s: type the password again, or Ctrl-D to leave.", terms->where,
	            report->code, report->text);
	secret_forget(terms->secret);
	return true;
}

enum login_outcome login_enter(int fd, const struct login_terms *terms, struct login_report *report)
{
	enum login_outcome outcome;

	do {
		outcome = say_user(fd, terms, report);
		if (outcome == LOGIN_FINE)
			outcome = need_secret(fd, terms, report);
		if (outcome == LOGIN_FINE)
			outcome = say_pass(fd, terms, report);
	} while (outcome == LOGIN_REFUSED && report->code == 530 && terms->secret->known && try_again(terms, report));
	return outcome;
}
