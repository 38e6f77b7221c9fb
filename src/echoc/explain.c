#include "explain.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "words.h"

static void set_list(struct trouble *t, enum trouble_kind kind, enum status status, const char *fmt, va_list args)
{
	t->kind = kind;
	t->status = status;
	vsnprintf(t->sentence, sizeof(t->sentence), fmt, args);
}

static void PRINTF_LIKE(4, 5) set(struct trouble *t, enum trouble_kind kind, enum status status, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	set_list(t, kind, status, fmt, args);
	va_end(args);
}

void explain_final(struct trouble *t, enum status status, const char *fmt, ...)
{
	va_list args;

	*t = (struct trouble){0};
	va_start(args, fmt);
	set_list(t, TROUBLE_FINAL, status, fmt, args);
	va_end(args);
}

void explain_dial(const char *where, const char *why, double after_s, struct trouble *t)
{
	*t = (struct trouble){0};
	set(t, TROUBLE_REACH, STATUS_UNREACHABLE, _("%s: %s after %.1f s"), where, why, after_s);
	t->advice = _("start the server, check the address, or let --wait 30s keep trying");
}

void explain_cleartext(const char *where, struct trouble *t)
{
	explain_final(
	    t, STATUS_NO_SECRET,
	    _("the way to %s leaves this machine unencrypted, so no password is sent: use tls:HOST:PORT, "
	      "where the server listens with TLS, or an SSH tunnel, or --allow-cleartext if you know the network"),
	    where);
}

/* TLS has failed, or something else speaks there. */
static void explain_tls_failed(const char *where, const char *bare, const struct channel *c, struct trouble *t)
{
	switch (c->stranger) {
	case CHANNEL_SPEAKS:
		explain_final(
		    t, STATUS_NO_SECRET,
		    _("cannot begin TLS with %s: what answers there does not speak it: check the address, or say "
		      "%s if no TLS is wanted"),
		    where, bare);
		return;
	case CHANNEL_ECHOES:
		explain_final(
		    t, STATUS_NO_SECRET,
		    _("cannot begin TLS with %s: it sends back what it gets, as an RFC 862 server without TLS "
		      "does: check the address, or say %s"),
		    where, bare);
		return;
	case CHANNEL_SPEAKS_TLS: break;
	}
	explain_final(
	    t, STATUS_NO_SECRET,
	    _("the TLS handshake with %s failed (%s): check whether it is the listener that was meant (tls: is "
	      "for logins, raw+tls: is not), and see the server's log"),
	    where, channel_why(c, CHANNEL_FAILED));
}

void explain_handshake(const char *where, const char *bare, const struct channel *c, int err, struct trouble *t)
{
	*t = (struct trouble){0};
	if (err == CHANNEL_FAILED) {
		explain_tls_failed(where, bare, c, t);
	} else if (err == -ETIMEDOUT) {
		set(t, TROUBLE_SILENT, STATUS_UNREACHABLE, _("%s did not finish the TLS handshake in %d s"), where,
		    LOGIN_HANDSHAKE_MS / 1000);
		t->advice = _("if it is a server without TLS, leave the tls out");
	} else {
		set(t, TROUBLE_REACH, STATUS_UNREACHABLE, _("lost %s in the TLS handshake (%s)"), where,
		    channel_why(c, err));
		t->advice = _("see the server's log, or let --wait 30s keep trying");
	}
}

static void explain_stranger(const char *where, const struct login_report *report, struct trouble *t)
{
	if (report->endless)
		set(t, TROUBLE_FINAL, STATUS_NOT_PROTOCOL,
		    _("%s sends a reply without end, which is not this protocol: check the address"), where);
	else if (report->code)
		set(t, TROUBLE_FINAL, STATUS_NOT_PROTOCOL,
		    _("%s answered '%u %s', which is not this protocol: check the address"), where, report->code,
		    report->text);
	else
		set(t, TROUBLE_FINAL, STATUS_NOT_PROTOCOL,
		    _("%s said '%s', which is not this protocol: check the address, or say raw:%s if it is a plain "
		      "RFC 862 server"),
		    where, report->text, where);
}

static void explain_ended(const char *where, const struct login_report *report, struct trouble *t)
{
	if (report->asked)
		set(t, TROUBLE_AT_ONCE, STATUS_UNREACHABLE, _("%s did not wait for the password"), where);
	else
		set(t, TROUBLE_REACH, STATUS_UNREACHABLE, _("cannot log in at %s (%s)"), where, report->text);
	t->advice = _("see the server's log, or let --wait 30s keep trying");
}

static void explain_busy(const char *where, const struct login_report *report, struct trouble *t)
{
	set(t, report->asked && report->code == 421 ? TROUBLE_AT_ONCE : TROUBLE_BUSY, STATUS_UNREACHABLE,
	    _("%s answered %u %s"), where, report->code, report->text);
	t->advice = _("give it more time, as with --wait 5m");
}

/* Which other kind of listener it may be. */
static void explain_silence(const char *where, struct trouble *t)
{
	bool is_tls = strncmp(where, "tls:", 4) == 0, is_unix = strncmp(where, "unix:", 5) == 0;

	if (is_tls || is_unix)
		set(t, TROUBLE_SILENT, STATUS_NOT_PROTOCOL,
		    _("%s sent no greeting in %d s: if it is an RFC 862 server, say raw+%s"), where,
		    LOGIN_GREETING_MS / 1000, where);
	else
		set(t, TROUBLE_SILENT, STATUS_NOT_PROTOCOL,
		    _("%s sent no greeting in %d s: if it is a plain RFC 862 server, say raw:%s, and if it speaks TLS, "
		      "tls:%s"),
		    where, LOGIN_GREETING_MS / 1000, where, where);
}

void explain_login(const char *where, const char *user, enum login_outcome outcome, const struct login_report *report,
                   struct trouble *t)
{
	unsigned code = report->code;
	const char *text = report->text;

	*t = (struct trouble){0};
	switch (outcome) {
	case LOGIN_FINE: return;
	case LOGIN_BUSY: explain_busy(where, report, t); return;
	case LOGIN_ENDED: explain_ended(where, report, t); return;
	case LOGIN_REFUSED:
		set(t, TROUBLE_FINAL, STATUS_REFUSED, _("%s refused %s (%u %s): check the name and the password"),
		    where, user, code, text);
		return;
	case LOGIN_BAD_NAME:
		set(t, TROUBLE_FINAL, STATUS_REFUSED,
		    _("%s does not take %s as a name (%u %s): give another with --user"), where, user, code, text);
		return;
	case LOGIN_BAD_SECRET:
		set(t, TROUBLE_FINAL, STATUS_REFUSED, _("%s cannot register %s (%s): give another password"), where,
		    user, text);
		return;
	case LOGIN_NO_REGISTER:
		set(t, TROUBLE_FINAL, STATUS_REFUSED,
		    _("%s has no account named %s, and --no-register forbids to create it: check --user, or leave "
		      "--no-register out"),
		    where, user);
		return;
	case LOGIN_NO_SECRET:
		set(t, TROUBLE_FINAL, STATUS_NO_SECRET,
		    _("%s takes no password on this path (%u %s): use tls:HOST:PORT, where it listens with TLS, or an "
		      "SSH "
		      "tunnel, or start the server with --allow-cleartext"),
		    where, code, text);
		return;
	case LOGIN_NO_ANSWER:
		set(t, TROUBLE_FINAL, STATUS_REFUSED,
		    _("%s asked for %s's password and none was typed: type it, or give --password-file"), where, user);
		return;
	case LOGIN_NO_PASSWORD:
		set(t, TROUBLE_FINAL, STATUS_USAGE,
		    _("%s asks for %s's password, and there is none and no terminal to ask on: give --password-file "
		      "FILE or set ECHOC_PASSWORD"),
		    where, user);
		return;
	case LOGIN_NO_TOKEN:
		set(t, TROUBLE_FINAL, STATUS_REFUSED,
		    _("%s takes no resume token of %s any more, and there is no password and no terminal to ask for "
		      "it: give --password-file FILE or set ECHOC_PASSWORD"),
		    where, user);
		return;
	case LOGIN_NO_GREETING: explain_silence(where, t); return;
	case LOGIN_TLS_FAILED:
		set(t, TROUBLE_FINAL, STATUS_NO_SECRET,
		    _("TLS with %s failed in the login (%s): what lies on the way changes bytes, or the server is "
		      "broken"),
		    where, text);
		return;
	case LOGIN_NOT_PROTOCOL: explain_stranger(where, report, t); return;
	}
}

void explain_whole(const struct trouble *t, char *text, size_t cap)
{
	snprintf(text, cap, "%s%s%s", t->sentence, t->advice ? ": " : "", t->advice ? t->advice : "");
}
