#include "identity.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "known_servers.h"
#include "program.h"
#include "secret.h"
#include "status.h"
#include "text.h"
#include "words.h"

static bool settle_on(struct identity *id, const char *pin, bool by_chain)
{
	(void)text_copy(id->pin, sizeof(id->pin), pin);
	id->by_chain = by_chain;
	return true;
}

static bool check_wanted(struct identity *id, const struct identity_place *place, const char *pin, struct trouble *t)
{
	if (tls_pin_same(id->wanted, pin))
		return settle_on(id, pin, false);
	explain_final(t, STATUS_NO_SECRET,
	              _("the key of %s is %s, and --pin wants %s, so nothing was sent: somebody may be in between; "
	                "compare it with the server's log, or 'echoctl status' there, before you change --pin"),
	              place->where, pin, id->wanted);
	return false;
}

/* The loud stop. */
static bool refuse_changed(const struct identity_place *place, const char *pin, const struct known_servers_match *match,
                           struct trouble *t)
{
	char path[KNOWN_SERVERS_PATH_MAX];

	text_escape_utf8(path, sizeof(path), match->path, strlen(match->path));
	fprintf(place->out,
	        _("@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\n"
	          "@               THE SERVER'S KEY HAS CHANGED!                @\n"
	          "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\n"
	          "Somebody may be in between and read all that you send, or %s\n"
	          "has a new key. Nothing was sent.\n"
	          "  known: %s (%s, line %u)\n"
	          "  now:   %s\n"),
	        place->where, match->pin, path, match->line, pin);
	explain_final(t, STATUS_NO_SECRET,
	              _("the key of %s is not the one of line %u of %s: compare it with the server's log, or 'echoctl "
	                "status' there, and only if it is the same remove that line"),
	              place->where, match->line, path);
	return false;
}

static bool refuse_unknown(const struct identity_place *place, const char *pin, const char *why, struct trouble *t)
{
	explain_final(t, STATUS_NO_SECRET,
	              _("%s is not known and its certificate is not trusted (%s), so nothing was sent: compare %s "
	                "with the server's log, or 'echoctl status' there, and if it is the same, give --pin %s"),
	              place->where, _(why), pin, pin);
	return false;
}

/* What a person's answer means. */
enum answer { ANSWER_YES, ANSWER_NO, ANSWER_OTHER_KEY, ANSWER_NONSENSE };

static enum answer read_answer(const char *text, const char *pin)
{
	if (strcmp(text, "yes") == 0 || strcmp(text, _("yes")) == 0)
		return ANSWER_YES;
	if (strcmp(text, "no") == 0 || strcmp(text, _("no")) == 0)
		return ANSWER_NO;
	if (!known_servers_is_pin(text))
		return ANSWER_NONSENSE;
	return tls_pin_same(text, pin) ? ANSWER_YES : ANSWER_OTHER_KEY;
}

static enum answer ask(const struct identity_place *place, const char *pin, const char *why)
{
	char question[ADDRESS_TEXT_MAX + TLS_WHY_MAX + TLS_PIN_MAX + 1024], text[SECRET_ANSWER_MAX];

	snprintf(question, sizeof(question),
	         _("%s is not known, and its certificate is not trusted: %s.\n"
	           "The fingerprint of its key is %s.\n"
	           "Compare it with the server's log, or 'echoctl status' there, and see that it is the same.\n"
	           "Trust this key from now on? (yes/no/fingerprint) "),
	         place->where, _(why), pin);
	for (;;) {
		if (secret_ask_line(question, text))
			return ANSWER_NO;
		enum answer answer = read_answer(text, pin);
		if (answer != ANSWER_NONSENSE)
			return answer;
		snprintf(question, sizeof(question), "%s", _("Type yes, no, or the fingerprint as you know it: "));
	}
}

/* Keeps what a person has said yes to. Where that cannot be done it still holds for this process. */
static bool take_word(struct identity *id, const struct identity_place *place, const char *name, const char *pin)
{
	int err = known_servers_add(name, pin);

	if (err)
		program_say(ECHOC, _("cannot keep the key of %s (%s): you will be asked again."), place->where,
		            words_error(-err));
	(void)text_copy(id->accepted, sizeof(id->accepted), pin);
	return settle_on(id, pin, false);
}

static bool meet(struct identity *id, const struct identity_place *place, const char *name, const char *pin,
                 const char *why, struct trouble *t)
{
	if (!place->may_ask)
		return refuse_unknown(place, pin, why, t);
	id->asked = true;
	switch (ask(place, pin, why)) {
	case ANSWER_YES: return take_word(id, place, name, pin);
	case ANSWER_OTHER_KEY:
		explain_final(
		    t, STATUS_NO_SECRET,
		    _("the key of %s is %s, and not the one that was typed, so nothing was sent: somebody may be "
		      "in between"),
		    place->where, pin);
		return false;
	case ANSWER_NO:
	case ANSWER_NONSENSE: break;
	}
	explain_final(t, STATUS_NO_SECRET, _("%s is not trusted, so nothing was sent: find out its fingerprint first"),
	              place->where);
	return false;
}

static bool check_known(struct identity *id, const struct identity_place *place, const char *pin, const char *why,
                        struct trouble *t)
{
	struct known_servers_match match = {0};
	enum known_servers_result result;
	char name[KNOWN_SERVERS_NAME_MAX];

	known_servers_name(place->address, name);
	int err = known_servers_find(name, pin, &result, &match);
	if (err) {
		explain_final(t, STATUS_NO_SECRET,
		              _("cannot read %s (%s), so %s is not trusted: see to the file, or give --pin %s"),
		              match.path, words_error(-err), place->where, pin);
		return false;
	}
	switch (result) {
	case KNOWN_SERVERS_SAME: return settle_on(id, pin, false);
	case KNOWN_SERVERS_CHANGED: return refuse_changed(place, pin, &match, t);
	case KNOWN_SERVERS_NONE: break;
	}
	if (*id->accepted && tls_pin_same(id->accepted, pin))
		return settle_on(id, pin, false);
	return meet(id, place, name, pin, why, t);
}

bool identity_settle(struct identity *id, const struct identity_place *place, const struct tls *tls, struct trouble *t)
{
	const char *why = tls_trouble(tls);
	char pin[TLS_PIN_MAX];

	id->asked = false;
	if (tls_pin(tls, pin)) {
		explain_final(t, STATUS_NO_SECRET,
		              _("%s has shown no certificate, so nothing was sent: check the address"), place->where);
		return false;
	}
	if (id->wanted)
		return check_wanted(id, place, pin, t);
	return why ? check_known(id, place, pin, why, t) : settle_on(id, pin, true);
}

bool identity_matches(const struct identity *id, const struct tls *tls)
{
	char pin[TLS_PIN_MAX];

	if (tls_pin(tls, pin))
		return false;
	return tls_pin_same(id->pin, pin) || (id->by_chain && !tls_trouble(tls));
}
