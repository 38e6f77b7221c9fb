#include "explain.h"

#include <stdarg.h>
#include <stdio.h>

static void PRINTF_LIKE(4, 5) set(struct trouble *t, enum trouble_kind kind, enum status status, const char *fmt, ...)
{
	va_list args;

	t->kind = kind;
	t->status = status;
	va_start(args, fmt);
	vsnprintf(t->sentence, sizeof(t->sentence), fmt, args);
	va_end(args);
}

void explain_dial(const char *where, const char *why, struct trouble *t)
{
	*t = (struct trouble){0};
	set(t, TROUBLE_REACH, STATUS_UNREACHABLE, "%s: %s", where, why);
	t->advice = "start the server, check the address, or let --wait 30s keep trying";
}

void explain_cleartext(const char *where, struct trouble *t)
{
	*t = (struct trouble){0};
	set(t, TROUBLE_FINAL, STATUS_NO_SECRET,
	    "the way to %s leaves this machine unencrypted, so no password is sent: use an SSH tunnel, "
	    "or --allow-cleartext if you know the network",
	    where);
}

static void explain_stranger(const char *where, const struct login_report *report, struct trouble *t)
{
	if (report->code)
		set(t, TROUBLE_FINAL, STATUS_NOT_PROTOCOL,
		    "%s answered '%u %s', which is not this protocol: check the address", where, report->code,
		    report->text);
	else
		set(t, TROUBLE_FINAL, STATUS_NOT_PROTOCOL,
		    "%s said '%s', which is not this protocol: check the address, or say raw:%s if it is a plain "
		    "RFC 862 server",
		    where, report->text, where);
}

static void explain_ended(const char *where, const struct login_report *report, struct trouble *t)
{
	if (report->asked)
		set(t, TROUBLE_AT_ONCE, STATUS_UNREACHABLE, "%s did not wait for the password", where);
	else
		set(t, TROUBLE_REACH, STATUS_UNREACHABLE, "cannot log in at %s (%s)", where, report->text);
	t->advice = "see the server's log, or let --wait 30s keep trying";
}

static void explain_busy(const char *where, const struct login_report *report, struct trouble *t)
{
	set(t, report->asked && report->code == 421 ? TROUBLE_AT_ONCE : TROUBLE_BUSY, STATUS_UNREACHABLE,
	    "%s answered %u %s", where, report->code, report->text);
	t->advice = "try again later, or give more time with --retry-time";
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
		set(t, TROUBLE_FINAL, STATUS_REFUSED, "%s refused %s (%u %s): check the name and the password", where,
		    user, code, text);
		return;
	case LOGIN_BAD_NAME:
		set(t, TROUBLE_FINAL, STATUS_REFUSED, "%s does not take %s as a name (%u %s): give another with --user",
		    where, user, code, text);
		return;
	case LOGIN_BAD_SECRET:
		set(t, TROUBLE_FINAL, STATUS_REFUSED, "%s cannot register %s (%s): give another password", where, user,
		    text);
		return;
	case LOGIN_NO_REGISTER:
		set(t, TROUBLE_FINAL, STATUS_REFUSED,
		    "%s has no account named %s, and --no-register forbids to create it: check --user, or leave "
		    "--no-register out",
		    where, user);
		return;
	case LOGIN_NO_SECRET:
		set(t, TROUBLE_FINAL, STATUS_NO_SECRET,
		    "%s takes no password on this path (%u %s): use an SSH tunnel, or start the server "
		    "with --allow-cleartext",
		    where, code, text);
		return;
	case LOGIN_NO_ANSWER:
		set(t, TROUBLE_FINAL, STATUS_REFUSED,
		    "%s asked for %s's password and none was typed: type it, or give --password-file", where, user);
		return;
	case LOGIN_NO_PASSWORD:
		set(t, TROUBLE_FINAL, STATUS_USAGE,
		    "%s asks for %s's password, and there is none and no terminal to ask on: give --password-file "
		    "FILE or set ECHOC_PASSWORD",
		    where, user);
		return;
	case LOGIN_NO_GREETING:
		set(t, TROUBLE_SILENT, STATUS_NOT_PROTOCOL,
		    "%s sent no greeting in %d s: if it is a plain RFC 862 server, say raw:%s", where,
		    LOGIN_GREETING_MS / 1000, where);
		return;
	case LOGIN_NOT_PROTOCOL: explain_stranger(where, report, t); return;
	}
}
