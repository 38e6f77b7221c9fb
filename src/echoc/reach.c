#include "reach.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "dial.h"
#include "explain.h"
#include "failure.h"
#include "login.h"
#include "program.h"
#include "text.h"
#include "trace.h"
#include "wait.h"
#include "words.h"

void reach_init(struct reach *r, const struct options *options, const struct address *address, const char *user)
{
	*r = (struct reach){.options = options,
	                    .address = *address,
	                    .user = user,
	                    .identity.wanted = options->pin,
	                    .traced = options->trace,
	                    .out = stderr};
	/* Two have many connections, which the one family of a process does not serve; a check leaves nothing behind.
	 */
	tokens_init(&r->tokens, options->no_token || options->mode == MODE_LOAD || options->mode == MODE_IDLE ||
	                            options->mode == MODE_CHECK);
	address_format(address, address->first, r->where);
	if (user)
		text_escape_utf8(r->shown_user, sizeof(r->shown_user), user, strlen(user));
}

void reach_fini(struct reach *r)
{
	secret_forget(&r->secret);
	tokens_fini(&r->tokens);
	tls_context_close(r->tls);
	channel_room_fini(&r->room);
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
		program_say(ECHOC, _("warning: the password goes to %s unencrypted, for everyone on the way to read."),
		            r->where);
	r->warned = true;
	return true;
}

/* The path is safe, or it was said that it may be otherwise; else trouble says why not. */
static bool check_path(struct reach *r, bool is_safe, struct trouble *trouble)
{
	if (may_send_secret(r, is_safe))
		return true;
	explain_cleartext(r->where, trouble);
	return false;
}

/* Awaits the greeting, and finds out whether a secret is safe on the path. */
static enum login_outcome greet(struct reach *r, struct channel *c, struct login_report *report, bool *is_safe)
{
	enum login_outcome outcome = login_greet(c, report);

	*is_safe = r->address.tls;
	if (outcome != LOGIN_FINE || r->address.tls)
		return outcome;
	int local = login_path_is_local(c->fd);
	if (local < 0) {
		snprintf(report->text, sizeof(report->text), "%s", words_error(-local));
		return LOGIN_ENDED;
	}
	*is_safe = local;
	return LOGIN_FINE;
}

/* Logs in. Returns whether it went well; else trouble says why not. */
static bool log_in(struct reach *r, struct channel *c, bool first, struct trouble *trouble)
{
	struct login_terms terms = {.where = r->where,
	                            .user = r->user,
	                            .may_create = !r->options->no_register,
	                            .may_ask = r->may_ask && (first || !r->secret.known),
	                            .again = !first,
	                            .for_idling = r->for_idling,
	                            .secret = &r->secret,
	                            .refusals = &r->refusals,
	                            .show = first ? r->show : NULL};
	struct login_report report;
	bool is_safe;
	enum login_outcome outcome = greet(r, c, &report, &is_safe);

	if (outcome == LOGIN_FINE) {
		if (!check_path(r, is_safe, trouble))
			return false;
		if (is_safe) {
			tokens_attach(&r->tokens, r->address.tls ? r->identity.pin : r->where, r->user);
			terms.tokens = &r->tokens;
		}
		outcome = login_enter(c, &terms, &report);
	}
	if (outcome != LOGIN_FINE) {
		r->wants_password = outcome == LOGIN_NO_PASSWORD || outcome == LOGIN_NO_TOKEN;
		explain_login(r->where, r->shown_user, outcome, &report, trouble);
		r->left = outcome == LOGIN_NO_ANSWER && r->on_terminal;
		return false;
	}
	r->keepalive_off = report.keepalive_off;
	r->idle_limit_s = report.idle_limit_s;
	(void)text_copy(r->seen_as, sizeof(r->seen_as), report.seen_as);
	r->registered = report.created;
	r->resumed = report.resumed;
	return true;
}

/* What TLS needs beside a channel, once a process. */
static int prepare_tls(struct reach *r)
{
	int err = r->tls ? 0 : tls_context_open_client(&r->tls);

	if (!err && !r->room.came)
		err = channel_room_init(&r->room);
	return err;
}

static int shake(struct channel *c, uint64_t until_ms)
{
	for (;;) {
		int err = channel_shake(c);
		if (err != -EAGAIN)
			return err;
		err = wait_ready(c->fd, channel_unsent(c) ? POLLOUT : POLLIN, until_ms);
		if (err)
			return err;
	}
}

static void trace_tls(const struct channel *c)
{
	char how[128], pin[TLS_PIN_MAX], note[sizeof(how) + sizeof(pin) + 2];

	tls_describe(c->tls, how, sizeof(how));
	if (tls_pin(c->tls, pin))
		pin[0] = '\0';
	snprintf(note, sizeof(note), "%s, %s", how, pin);
	trace_note(c->trace, TRACE_CAME, note);
}

/* Makes the connection TLS and settles who is there. Returns whether it went well; else trouble says why not. */
static bool secure(struct reach *r, struct channel *c, bool first, struct trouble *trouble)
{
	struct identity_place place = {
	    .where = r->where, .address = &r->address, .may_ask = first && r->may_ask, .out = r->out};
	struct address bare = r->address;
	char without[ADDRESS_TEXT_MAX];
	int err = prepare_tls(r);

	if (!err)
		err = channel_start_tls(c, r->tls, &r->room, r->address.host, r->address.raw);
	if (!err)
		err = shake(c, wait_now_ms() + LOGIN_HANDSHAKE_MS);
	if (!err && c->trace)
		trace_tls(c);
	if (!err)
		return identity_settle(&r->identity, &place, c->tls, trouble);
	bare.tls = false;
	address_format(&bare, bare.first, without);
	explain_handshake(r->where, without, c, err, trouble);
	return false;
}

static void begin_phase(struct reach *r, enum phase phase)
{
	r->phase = phase;
	r->phase_began_ns = clock_now_ns();
}

static void end_phase(struct reach *r)
{
	r->phases.known[r->phase] = true;
	r->phases.ns[r->phase] = clock_now_ns() - r->phase_began_ns;
}

/* What comes after the connection. Returns whether it went well; else trouble says why not. */
static bool enter(struct reach *r, struct channel *c, bool first, struct trouble *trouble)
{
	if (r->address.tls) {
		begin_phase(r, PHASE_TLS);
		if (!secure(r, c, first, trouble))
			return false;
		end_phase(r);
	}
	if (!r->address.raw) {
		begin_phase(r, PHASE_LOGIN);
		if (!log_in(r, c, first, trouble))
			return false;
		end_phase(r);
	}
	return true;
}

static void say_registered(const struct reach *r)
{
	if (r->registered && !r->options->quiet)
		program_say(ECHOC, _("registered %s at %s."), r->shown_user, r->where);
}

static bool attempt(struct reach *r, uint64_t until_ms, bool first, struct channel *c, struct trouble *trouble)
{
	char why[DIAL_WHY_MAX];
	int fd;

	r->identity.asked = false;
	r->wants_password = false;
	r->phase_began_ns = clock_now_ns();
	if (dial(&r->address, until_ms, &r->phases, &fd, why)) {
		r->phase = r->phases.known[PHASE_TCP] ? PHASE_TCP : PHASE_LOOKUP;
		r->phase_s = (double)r->phases.ns[r->phase] / 1e9;
		explain_dial(r->where, why, r->phase_s, trouble);
		return false;
	}
	channel_open(c, fd);
	c->trace = r->traced ? r->out : NULL;
	if (enter(r, c, first, trouble)) {
		r->connected_ms = wait_now_ms();
		return true;
	}
	r->phase_s = (double)(clock_now_ns() - r->phase_began_ns) / 1e9;
	channel_close(c);
	/* The server's time limit may have passed while a person looked at the fingerprint; they have said yes. */
	if (r->identity.asked && trouble->kind != TROUBLE_FINAL)
		trouble->kind = TROUBLE_AT_ONCE;
	return false;
}

bool reach_try(struct reach *r, uint64_t until_ms, struct channel *c, struct trouble *trouble)
{
	return attempt(r, until_ms, false, c, trouble);
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

static void say_trouble(struct reach *r, const struct trouble *t)
{
	explain_whole(t, r->why, sizeof(r->why));
	program_say(ECHOC, "%s.", r->why);
}

void reach_failed_json(const struct reach *r, enum status status)
{
	struct failure_reach where = {.phase = r->phase, .after_s = r->phase_s};

	if (r->options->json || r->options->json_stream)
		failure_json(stdout, options_schema(r->options->mode), (int)status, &where, r->why);
}

static void say_next(const struct reach *r, const struct trouble *trouble, uint64_t wait_ms)
{
	if (!r->options->quiet)
		program_say(ECHOC, _("%s; trying again in %.1f s."), trouble->sentence, (double)wait_ms / 1000);
}

enum status reach_first(struct reach *r, struct channel *c)
{
	uint64_t start = wait_now_ms();
	uint64_t dial_until = r->options->wait_ms ? start + r->options->wait_ms : WAIT_FOR_EVER;
	struct trouble trouble;

	while (!attempt(r, dial_until, true, c, &trouble)) {
		if (r->left)
			return STATUS_FINE;
		if (trouble.kind == TROUBLE_AT_ONCE)
			continue;
		uint64_t until = first_until(r, &trouble, start);
		bool retried = trouble.kind == TROUBLE_REACH || trouble.kind == TROUBLE_BUSY;
		if (!retried || wait_now_ms() >= until) {
			say_trouble(r, &trouble);
			return trouble.status;
		}
		uint64_t wait = next_wait(r, until);
		say_next(r, &trouble, wait);
		wait_sleep_ms(wait);
	}
	r->backoff = (struct backoff){0};
	say_registered(r);
	if (r->resumed && !r->options->quiet)
		program_say(ECHOC, _("resumed as %s at %s."), r->shown_user, r->where);
	return STATUS_FINE;
}

/* Since when there has been no progress. A connection that stood for the whole retry time was no trouble, if idle. */
static uint64_t trouble_since(const struct reach *r, uint64_t now_ms)
{
	if (r->trouble_ms == 0 || now_ms - r->connected_ms >= r->options->retry_ms)
		return now_ms;
	return r->trouble_ms;
}

static void say_dropped(const struct reach *r, const char *what, uint64_t missing, uint64_t wait_ms)
{
	unsigned long long n = missing;

	if (r->options->quiet)
		return;
	if (n == 0 && r->on_terminal)
		program_say(ECHOC, _("%s; coming back in %.1f s (Ctrl-C gives up)."), what, (double)wait_ms / 1000);
	else if (n == 0)
		program_say(ECHOC, _("%s; coming back in %.1f s."), what, (double)wait_ms / 1000);
	else if (r->on_terminal)
		program_say(ECHOC,
		            ngettext("%s with %llu byte still to come back; coming back in %.1f s (Ctrl-C gives up).",
		                     "%s with %llu bytes still to come back; coming back in %.1f s (Ctrl-C gives up).",
		                     n),
		            what, n, (double)wait_ms / 1000);
	else
		program_say(ECHOC,
		            ngettext("%s with %llu byte still to come back; coming back in %.1f s.",
		                     "%s with %llu bytes still to come back; coming back in %.1f s.", n),
		            what, n, (double)wait_ms / 1000);
}

uint64_t reach_drop(struct reach *r, const char *what, uint64_t missing)
{
	r->dropped_ms = wait_now_ms();
	r->trouble_ms = trouble_since(r, r->dropped_ms);
	r->give_up_ms = r->on_terminal ? WAIT_FOR_EVER : r->trouble_ms + r->options->retry_ms;
	uint64_t wait = next_wait(r, r->give_up_ms);
	say_dropped(r, what, missing, wait);
	return wait;
}

enum status reach_fail(struct reach *r, const struct trouble *trouble, uint64_t *wait_ms)
{
	if (trouble->kind == TROUBLE_FINAL) {
		say_trouble(r, trouble);
		return trouble->status;
	}
	*wait_ms = next_wait(r, r->give_up_ms);
	if (wait_now_ms() < r->give_up_ms)
		say_next(r, trouble, *wait_ms);
	return STATUS_FINE;
}

void reach_back(const struct reach *r)
{
	say_registered(r);
	if (!r->options->quiet)
		program_say(ECHOC, _("back at %s after %.1f s."), r->where,
		            (double)(wait_now_ms() - r->dropped_ms) / 1000);
}

enum status reach_again(struct reach *r, const char *what, uint64_t missing, struct channel *c)
{
	struct trouble trouble;
	uint64_t wait = reach_drop(r, what, missing);

	for (;;) {
		if (wait_now_ms() >= r->give_up_ms)
			return STATUS_UNREACHABLE;
		wait_sleep_ms(wait);
		if (reach_try(r, r->give_up_ms, c, &trouble))
			break;
		enum status status = reach_fail(r, &trouble, &wait);
		if (status != STATUS_FINE)
			return status;
	}
	reach_back(r);
	return STATUS_FINE;
}
