/* echoc: talks to an echo server and checks what comes back. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "check.h"
#include "config.h"
#include "failure.h"
#include "failure.h"
#include "idle.h"
#include "load.h"
#include "local.h"
#include "options.h"
#include "ping.h"
#include "pipe.h"
#include "program.h"
#include "reach.h"
#include "report.h"
#include "secret.h"
#include "status.h"
#include "talk.h"
#include "text.h"
#include "user.h"
#include "wire.h"
#include "words.h"

#define DEFAULT_HOST "127.0.0.1"
#define SHOWN_MAX    1024 /* of what is no address */

#define LAST_WORDS_MAX 256

/* What a process that a signal ends says where JSON was asked for: made ready before, for the handler may only write.
 */
static struct last_words {
	int signal;
	size_t len;
	char text[LAST_WORDS_MAX];
} last_words[] = {{.signal = SIGINT}, {.signal = SIGTERM}};

/* All output is written at once or flushed when it is whole, so nothing is lost by leaving from here. */
static void leave_at_once(int number)
{
	for (size_t i = 0; i < array_size(last_words); i++) {
		if (last_words[i].signal == number)
			(void)!write(STDOUT_FILENO, last_words[i].text, last_words[i].len);
	}
	_exit(128 + number);
}

static void prepare_last_words(const struct options *options)
{
	if (!options->json && !options->json_stream)
		return;
	for (size_t i = 0; i < array_size(last_words); i++) {
		struct last_words *w = &last_words[i];
		FILE *f = fmemopen(w->text, sizeof(w->text), "w");
		if (!f)
			return;
		failure_json(f, options_schema(options->mode), 128 + w->signal, NULL, "a signal ended it");
		long len = ftell(f);
		if (fclose(f) == 0 && len > 0)
			w->len = (size_t)len;
	}
}

static void prepare_process(void)
{
	struct sigaction leave = {.sa_handler = leave_at_once}, ignore = {.sa_handler = SIG_IGN};

	program_fix_descriptors_but_output();
	sigaction(SIGINT, &leave, NULL);
	sigaction(SIGTERM, &leave, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	program_keep_secrets();
}

static void parse_given(const char *text, struct address *out)
{
	char shown[SHOWN_MAX];
	const char *why;

	text_escape_utf8(shown, sizeof(shown), text, strlen(text));
	if (address_parse(text, WIRE_PORT, out, &why))
		program_usage(ECHOC, _("'%s' is no address: %s."), shown, _(why));
	why = ask_address_problem(out);
	if (why)
		program_usage(ECHOC, _("'%s': %s."), shown, _(why));
}

/* A name of the configuration file stands for what is written there; the command line wins. */
static void resolve_name(struct options *options, struct config_server *server)
{
	if (!options->address || !config_find(options->address, server))
		return;
	options->address = server->address;
	if (!options->user && *server->user)
		options->user = server->user;
	if (!options->pin && *server->pin)
		options->pin = server->pin;
}

/* Where to go when nobody said: the newest server of this machine, or the usual place. */
static void find_default(const struct options *options, struct address *out)
{
	struct local_server server;

	if (local_find(&server)) {
		if (!options->quiet)
			program_say(ECHOC, _("found an echod on this machine: %s (PID %d)."), server.text,
			            (int)server.pid);
		*out = server.address;
		out->port_kind = ADDRESS_PORT_DEFAULT;
		return;
	}
	*out = (struct address){.host = DEFAULT_HOST, .first = WIRE_PORT, .last = WIRE_PORT};
}

/* Finds out the account's name. Returns 0, or -ENODATA when the person ends the question. */
static int choose_user(const struct options *options, bool asks, char name[USER_NAME_MAX])
{
	bool has_login_name = user_login_name(name);

	if (options->user) {
		(void)text_copy(name, USER_NAME_MAX, options->user);
		return 0;
	}
	if (!has_login_name)
		name[0] = '\0';
	if (asks)
		return ask_name(name);
	if (!has_login_name)
		program_usage(ECHOC, _("your login name cannot be an account's: give --user."));
	return 0;
}

/* What the mode does with the way to the server. */
static enum status run_mode(struct reach *reach, bool on_terminal)
{
	switch (reach->options->mode) {
	case MODE_PING: return ping_run(reach);
	case MODE_LOAD: return load_run(reach);
	case MODE_IDLE: return idle_run(reach);
	case MODE_CHECK: return check_run(reach);
	case MODE_TALK:
	case MODE_REPORT: break; /* which reaches nobody, and is dealt with before */
	}
	return on_terminal ? talk_run(reach) : pipe_run(reach);
}

static enum status run(const struct options *options, const struct address *address, const char *user, bool on_terminal)
{
	struct reach reach;
	enum status status = STATUS_USAGE;
	char why[SECRET_WHY_MAX];

	reach_init(&reach, options, address, user);
	reach.on_terminal = on_terminal && options->mode == MODE_TALK;
	reach.may_ask = on_terminal || (isatty(STDERR_FILENO) && secret_can_ask());
	if (user && secret_load(options->password_file, &reach.secret, why))
		failure_say(options, status, why);
	else
		status = run_mode(&reach, on_terminal);
	reach_fini(&reach);
	return status;
}

int main(int argc, char **argv)
{
	struct options options;
	struct config_server server;
	struct address address;
	char name[USER_NAME_MAX];

	words_init();
	prepare_process();
	options_parse(&options, argc, argv);
	prepare_last_words(&options);
	if (options.mode == MODE_REPORT)
		return (int)report_run(&options);
	bool on_terminal = isatty(STDIN_FILENO), asks = !options.address && on_terminal;
	resolve_name(&options, &server);
	if (options.address)
		parse_given(options.address, &address);
	else
		find_default(&options, &address);
	if (asks && ask_address(&address))
		return STATUS_FINE;
	if (options.pin && !address.tls)
		program_usage(ECHOC, _("--pin is for a server with TLS: say tls: or raw+tls: before the address."));
	if (!address.raw && choose_user(&options, asks, name))
		return STATUS_FINE;
	return (int)run(&options, &address, address.raw ? NULL : name, on_terminal);
}
