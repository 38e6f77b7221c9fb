#include "ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "line.h"
#include "number.h"
#include "program.h"
#include "status.h"
#include "text.h"
#include "wire.h"
#include "words.h"

const char *ask_address_problem(const struct address *a)
{
	if (!a->is_unix && a->first != a->last)
		return N_("a client connects to one port: give HOST:PORT");
	if (!a->is_unix && a->first == 0)
		return N_("a client cannot connect to port 0: give the port that the server says");
	return NULL;
}

static void trim(char *text)
{
	size_t skip = strspn(text, " \t"), len = strlen(text + skip);

	memmove(text, text + skip, len + 1);
	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		text[--len] = '\0';
}

/* Asks for label. An empty answer is the preset, if there is one. Returns 0 or a negative errno. */
static int question(const char *label, const char *preset, char *answer, size_t cap)
{
	for (;;) {
		if (*preset)
			fprintf(stderr, "%s [%s]: ", label, preset);
		else
			fprintf(stderr, "%s: ", label);
		int err = line_read(STDIN_FILENO, answer, cap, NULL);
		if (err == -E2BIG) {
			program_say(ECHOC,
			            ngettext("that is too long: at most %zu byte.",
			                     "that is too long: at most %zu bytes.", cap - 1),
			            cap - 1);
			continue;
		}
		if (err) {
			fputc('\n', stderr);
			return -ENODATA; /* a terminal that cannot be read any more has ended */
		}
		trim(answer);
		if (!*answer)
			(void)text_copy(answer, cap, preset);
		return 0;
	}
}

static void preset_host(const struct address *a, char preset[ADDRESS_TEXT_MAX])
{
	if (a->is_unix)
		address_format(a, 0, preset);
	else if (strchr(a->host, ':'))
		snprintf(preset, ADDRESS_TEXT_MAX, "[%s]", a->host);
	else
		(void)text_copy(preset, ADDRESS_TEXT_MAX, a->host);
}

/* Asks for the host, which may be a whole address: then its port need not be asked for. */
static int ask_host(struct address *out)
{
	char preset[ADDRESS_TEXT_MAX], answer[ADDRESS_TEXT_MAX];
	uint16_t port = out->first ? out->first : WIRE_PORT;
	const char *why;

	preset_host(out, preset);
	for (;;) {
		int err = question(_("Host"), preset, answer, sizeof(answer));
		if (err)
			return err;
		if (!address_parse(answer, port, out, &why))
			why = ask_address_problem(out);
		if (!why)
			return 0;
		program_say(ECHOC, "%s.", _(why));
	}
}

static int ask_port(struct address *out)
{
	char preset[8], answer[16];
	uint64_t port;

	snprintf(preset, sizeof(preset), "%u", out->first);
	for (;;) {
		int err = question(_("Port"), preset, answer, sizeof(answer));
		if (err)
			return err;
		if (!number_parse(answer, 1, 65535, &port))
			break;
		program_say(ECHOC, _("a port is a whole number from 1 to 65535."));
	}
	out->first = out->last = (uint16_t)port;
	return 0;
}

int ask_address(struct address *out)
{
	int err = ask_host(out);

	if (err || out->is_unix || out->port_kind == ADDRESS_PORT_EXPLICIT)
		return err;
	return ask_port(out);
}

int ask_name(char out[USER_NAME_MAX])
{
	char preset[USER_NAME_MAX];
	const char *why;

	(void)text_copy(preset, sizeof(preset), out);
	for (;;) {
		int err = question(_("Name"), preset, out, USER_NAME_MAX);
		if (err)
			return err;
		why = user_problem(out);
		if (!why)
			return 0;
		program_say(ECHOC, "%s.", _(why));
	}
}
