#include "options.h"

#include <getopt.h>
#include <gnu/libc-version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "known_servers.h"
#include "must.h"
#include "program.h"
#include "status.h"
#include "user.h"

#define RETRY_MS 60000 /* as long as a server's restart may take without anyone being there */

enum option_value {
	OPTION_HELP = 256,
	OPTION_VERSION,
	OPTION_USER,
	OPTION_PASSWORD_FILE,
	OPTION_NO_REGISTER,
	OPTION_NO_TOKEN,
	OPTION_PIN,
	OPTION_RECONNECT,
	OPTION_RETRY_TIME,
	OPTION_WAIT,
	OPTION_ALLOW_CLEARTEXT,
	OPTION_QUIET,
};

static const struct option names[] = {
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"user", required_argument, NULL, OPTION_USER},
    {"password-file", required_argument, NULL, OPTION_PASSWORD_FILE},
    {"no-register", no_argument, NULL, OPTION_NO_REGISTER},
    {"no-token", no_argument, NULL, OPTION_NO_TOKEN},
    {"pin", required_argument, NULL, OPTION_PIN},
    {"reconnect", no_argument, NULL, OPTION_RECONNECT},
    {"retry-time", required_argument, NULL, OPTION_RETRY_TIME},
    {"wait", required_argument, NULL, OPTION_WAIT},
    {"allow-cleartext", no_argument, NULL, OPTION_ALLOW_CLEARTEXT},
    {"quiet", no_argument, NULL, OPTION_QUIET},
    {"connections", required_argument, NULL, LOAD_OPTION_CONNECTIONS},
    {"rate", required_argument, NULL, LOAD_OPTION_RATE},
    {"in-flight", required_argument, NULL, LOAD_OPTION_IN_FLIGHT},
    {"size", required_argument, NULL, LOAD_OPTION_SIZE},
    {"seed", required_argument, NULL, LOAD_OPTION_SEED},
    {"threads", required_argument, NULL, LOAD_OPTION_THREADS},
    {"ramp", required_argument, NULL, LOAD_OPTION_RAMP},
    {"warm-up", required_argument, NULL, LOAD_OPTION_WARM_UP},
    {"duration", required_argument, NULL, LOAD_OPTION_DURATION},
    {"messages", required_argument, NULL, LOAD_OPTION_MESSAGES},
    {"json", no_argument, NULL, LOAD_OPTION_JSON},
    {"json-stream", no_argument, NULL, LOAD_OPTION_JSON_STREAM},
    {0},
};

static const char help[] =
    "Usage: echoc [talk] [ADDRESS] [OPTION]...\n"
    "       echoc load ADDRESS [OPTION]...\n"
    "Sends what it is given to an echo server and checks that every byte comes back.\n"
    "\n"
    "On a terminal: a talk, line by line, with the round-trip time of each. Otherwise standard\n"
    "input is the data and standard output gets the bytes that came back, as in\n"
    "  echoc localhost < file > copy\n"
    "\n"
    "ADDRESS is [login:|raw:|tls:|raw+tls:]HOST[:PORT], :PORT, PORT, unix:PATH or raw+unix:PATH; raw\n"
    "means RFC 862, without login. Without ADDRESS: the newest echod of this machine, else\n"
    "127.0.0.1:7862.\n"
    "\n"
    "  --user NAME           the account; the login name when not given\n"
    "  --password-file FILE  the password is the first line of FILE (else $ECHOC_PASSWORD, else a prompt)\n"
    "  --no-register         do not create an account that does not exist\n"
    "  --no-token            ask for no resume token, and use none that was kept\n"
    "  --pin SHA256:...      the fingerprint that the TLS server's key must have; nothing else is asked\n"
    "  --reconnect           on a raw address too, come back after a lost connection\n"
    "  --retry-time TIME     without a terminal, give up this long after a drop (60s)\n"
    "  --wait TIME           keep trying the first connection for so long\n"
    "  --allow-cleartext     send the password unencrypted to another machine\n"
    "  --quiet               say nothing but errors\n"
    "  --help, --version     print this, or the version, and end\n"
    "\n";

static const char help_status[] =
    "\n"
    "Status: 0 every byte came back, 1 bytes lost or damaged, errors under load, or the rate missed,\n"
    "2 usage, 3 cannot reach, 4 login refused, 5 TLS failed, the server is not trusted, or no password\n"
    "may travel on this path, 6 no greeting or not the protocol.\n";

/* The end of the process for what only prints; status 1 if even that cannot be done. */
_Noreturn static void print_and_end(const char *text)
{
	exit(fputs(text, stdout) < 0 || fflush(stdout) ? STATUS_LOST : STATUS_FINE);
}

_Noreturn static void print_help(void)
{
	fputs(help, stdout);
	fputs(load_options_help, stdout);
	print_and_end(help_status);
}

_Noreturn static void print_version(void)
{
	char text[128];

	snprintf(text, sizeof(text), "echoc %s (glibc %s)\n", ECHOD_VERSION, gnu_get_libc_version());
	print_and_end(text);
}

static const char *check_user(const char *name)
{
	const char *why = user_problem(name);

	if (why)
		program_usage(ECHOC, "--user: %s.", why);
	return name;
}

static const char *check_pin(const char *pin)
{
	if (!known_servers_is_pin(pin))
		program_usage(
		    ECHOC, "--pin '%s': give SHA256: and 43 characters of base64, as the server's log shows it.", pin);
	return pin;
}

static void take(struct options *o, int option)
{
	switch ((enum option_value)option) {
	case OPTION_HELP: print_help();
	case OPTION_VERSION: print_version();
	case OPTION_USER: o->user = check_user(optarg); break;
	case OPTION_PASSWORD_FILE: o->password_file = optarg; break;
	case OPTION_NO_REGISTER: o->no_register = true; break;
	case OPTION_NO_TOKEN: o->no_token = true; break;
	case OPTION_PIN: o->pin = check_pin(optarg); break;
	case OPTION_RECONNECT: o->reconnect = true; break;
	case OPTION_RETRY_TIME: o->retry_ms = program_duration_ms(ECHOC, "--retry-time", optarg); break;
	case OPTION_WAIT: o->wait_ms = program_duration_ms(ECHOC, "--wait", optarg); break;
	case OPTION_ALLOW_CLEARTEXT: o->allow_cleartext = true; break;
	case OPTION_QUIET: o->quiet = true; break;
	}
}

/* The first word, where it is a mode; and whether the options are the mode's. */
static void take_mode(struct options *o, int argc, char **argv)
{
	const char *word = optind < argc ? argv[optind] : "";

	o->is_load = strcmp(word, "load") == 0;
	if (o->is_load || strcmp(word, "talk") == 0)
		optind++;
	if (o->is_load)
		load_options_check(&o->load);
	else if (o->load.given)
		program_usage(ECHOC, "--%s is for echoc load ADDRESS.", o->load.given);
	if (o->is_load && o->reconnect)
		program_usage(ECHOC,
		              "--reconnect is for a talk: under load a lost connection is an error, and made anew.");
}

void options_parse(struct options *o, int argc, char **argv)
{
	int option, index = 0;

	*o = (struct options){.retry_ms = RETRY_MS};
	load_options_init(&o->load);
	opterr = 0; /* its sentences would not be ours */
	while ((option = getopt_long(argc, argv, ":", names, &index)) != -1) {
		const char *given = argv[optind - 1];
		if (option == ':')
			program_usage(ECHOC, "%s wants a value.", given);
		if (option == '?' && optopt >= OPTION_HELP)
			program_usage(ECHOC, "%s takes no value.", given);
		if (option == '?')
			program_usage(ECHOC, "there is no option %s.", given);
		if (option >= (int)LOAD_OPTION_CONNECTIONS)
			load_options_take(&o->load, (enum load_option)option, names[index].name, optarg);
		else
			take(o, option);
	}
	take_mode(o, argc, argv);
	if (optind < argc)
		o->address = argv[optind++];
	if (optind < argc)
		program_usage(ECHOC, "'%s' is one address too many: give one.", argv[optind]);
	if (o->is_load && !o->address)
		program_usage(ECHOC, "load wants the ADDRESS of a server.");
}
