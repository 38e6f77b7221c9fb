#include "reach.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dial.h"
#include "explain.h"
#include "login.h"
#include "program.h"
#include "text.h"
#include "wait.h"

void reach_init(struct reach *r, const struct options *options, const struct address *address, const char *user)
{
	*r = (struct reach){.options = options, .address = *address, .user = user};
	address_format(address, address->first, r->where);
	if (user)
		text_escape_utf8(r->shown_user, sizeof(r->shown_user), user, strlen(user));
}

void reach_fini(struct reach *r)
{
	secret_forget(&r->secret);
}

void reach_progress(struct reach *r)
{
	r->backoff = (struct backoff){0};
	r->trouble_ms = 0;
}

/* Whether a password may go there; warns, once, where it may only because --allow-cleartext says so. */
static bool may_send_secret(struct reach *r, bool is_local)
{
	if (is_local)
		return true;
	if (!r->options->allow_cleartext)
		return false;
	if (!r->warned)
		program_say(ECHOC, "warning: the password goes to %s unencrypted, for everyone on the way to read.",
		            r->where);
	r->warned = true;
	return true;
}

/* Logs in on fd. Returns whether it went well; else trouble says why not. */
static bool log_in(struct reach *r, int fd, bool first, struct trouble *trouble)
{
	struct login_terms terms = {.where = r->where,
	                            .user = r->user,
	                            .may_create = !r->options->no_register,
	                            .may_ask = first && r->may_ask,
	                            .secret = &r->secret,
	                            .refusals = &r->refusals,
	                            .show = first ? r->show : NULL};
	struct login_report report;
	enum login_outcome outcome = login_greet(fd, &report);

	int is_local = outcome == LOGIN_FINE ? login_path_is_local(fd) : 0;
	if (is_local < 0) {
		snprintf(report.text, sizeof(report.text), "%s", strerror(-is_local));
		outcome = LOGIN_ENDED;
	}
	if (outcome == LOGIN_FINE) {
		if (!may_send_secret(r, is_local)) {
			explain_cleartext(r->where, trouble);
			return false;
		}
		outcome = login_enter(fd, &terms, &report);
	}
	if (outcome != LOGIN_FINE) {
		explain_login(r->where, r->shown_user, outcome, &report, trouble);
		r->left = outcome == LOGIN_NO_ANSWER && r->on_terminal;
		return false;
	}
	if (report.created && !r->options->quiet)
		program_say(ECHOC, "registered %s at %s.", r->shown_user, r->where);
	return true;
}

static bool attempt(struct reach *r, uint64_t until_ms, bool first, int *fd, struct trouble *trouble)
{
	char why[DIAL_WHY_MAX];

	if (dial(&r->address, until_ms, fd, why)) {
		explain_dial(r->where, why, trouble);
		return false;
	}
	if (r->address.raw || log_in(r, *fd, first, trouble)) {
		r->connected_ms = wait_now_ms();
		return true;
	}
	close(*fd);
	return false;
}

/* Until when this trouble is worth more tries on a first connection that began at start_ms. */
static uint64_t first_until(const struct reach *r, const struct trouble *trouble, uint64_t start_ms)
{
	uint64_t wait = r->options->wait_ms, retry = r->options->retry_ms;

	if (trouble->kind == TROUBLE_BUSY && retry > wait)
		wait = retry;
	return start_ms + wait;
}

/* The wait before the next try, which is never later than until_ms. */
static uint64_t next_wait(struct reach *r, uint64_t until_ms)
{
	uint64_t now = wait_now_ms(), ms = backoff_next_ms(&r->backoff);

	if (until_ms <= now)
		return 0;
	return ms < until_ms - now ? ms : until_ms - now;
}

static void say_trouble(const struct trouble *t)
{
	program_say(ECHOC, "%s%s%s.", t->sentence, t->advice ? ": " : "", t->advice ? t->advice : "");
}

static void say_next(const struct reach *r, const struct trouble *trouble, uint64_t wait_ms)
{
	if (!r->options->quiet)
		program_say(ECHOC, "%s; trying again in %.1f s.", trouble->sentence, (double)wait_ms / 1000);
}

enum status reach_first(struct reach *r, int *fd)
{
	uint64_t start = wait_now_ms();
	uint64_t dial_until = r->options->wait_ms ? start + r->options->wait_ms : WAIT_FOR_EVER;
	struct trouble trouble;

	while (!attempt(r, dial_until, true, fd, &trouble)) {
		if (r->left)
			return STATUS_FINE;
		if (trouble.kind == TROUBLE_AT_ONCE)
			continue;
		uint64_t until = first_until(r, &trouble, start);
		bool retried = trouble.kind == TROUBLE_REACH || trouble.kind == TROUBLE_BUSY;
		if (!retried || wait_now_ms() >= until) {
			say_trouble(&trouble);
			return trouble.status;
		}
		uint64_t wait = next_wait(r, until);
		say_next(r, &trouble, wait);
		wait_sleep_ms(wait);
	}
	r->backoff = (struct backoff){0};
	return STATUS_FINE;
}

/* Since when there has been no progress. A connection that stood for the whole retry time was no trouble, if idle. */
static uint64_t trouble_since(const struct reach *r, uint64_t now_ms)
{
	if (r->trouble_ms == 0 || now_ms - r->connected_ms >= r->options->retry_ms)
		return now_ms;
	return r->trouble_ms;
}

enum status reach_again(struct reach *r, const char *what, uint64_t missing, int *fd)
{
	uint64_t dropped = wait_now_ms();
	struct trouble trouble;

	r->trouble_ms = trouble_since(r, dropped);
	uint64_t until = r->on_terminal ? WAIT_FOR_EVER : r->trouble_ms + r->options->retry_ms;
	uint64_t wait = next_wait(r, until);
	if (!r->options->quiet)
		program_say(ECHOC, "%s %s with %llu bytes still to come back; coming back in %.1f s%s.", r->where, what,
		            (unsigned long long)missing, (double)wait / 1000,
		            r->on_terminal ? " (Ctrl-C gives up)" : "");
	for (;;) {
		if (wait_now_ms() >= until)
			return STATUS_UNREACHABLE;
		wait_sleep_ms(wait);
		if (attempt(r, until, false, fd, &trouble))
			break;
		if (trouble.kind == TROUBLE_FINAL) {
			say_trouble(&trouble);
			return trouble.status;
		}
		wait = next_wait(r, until);
		if (wait_now_ms() < until)
			say_next(r, &trouble, wait);
	}
	if (!r->options->quiet)
		program_say(ECHOC, "back at %s after %.1f s.", r->where, (double)(wait_now_ms() - dropped) / 1000);
	return STATUS_FINE;
}
