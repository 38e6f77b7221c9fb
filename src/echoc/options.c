#include "options.h"

#include <getopt.h>
#include <gnu/libc-version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "failure.h"
#include "known_servers.h"
#include "must.h"
#include "program.h"
#include "status.h"
#include "user.h"
#include "words.h"

#define RETRY_MS  60000 /* as long as a server's restart may take without anyone being there */
#define CHUNK_MAX 65536
#define GIVEN_MAX 256
#define MODES     (MODE_REPORT + 1)

/* Which modes an option is for. */
#define TALK    (1U << MODE_TALK)
#define PING    (1U << MODE_PING)
#define LOAD    (1U << MODE_LOAD)
#define IDLE    (1U << MODE_IDLE)
#define CHECK   (1U << MODE_CHECK)
#define REPORT  (1U << MODE_REPORT)
#define CONNECT (TALK | PING | LOAD | IDLE | CHECK)
#define ALL     (CONNECT | REPORT)

static const char *const mode_names[MODES] = {"talk", "ping", "load", "idle", "check", "report"};
static const char *const schemas[MODES] = {"echoc.talk/1", "echoc.ping/1",  "echoc.load/1",
                                           "echoc.idle/1", "echoc.check/1", "echoc.report/1"};

static const struct known {
	const char *name;
	int has_argument, value;
	unsigned modes;
} known[] = {
    {"help", no_argument, OPTION_HELP, ALL},
    {"version", no_argument, OPTION_VERSION, ALL},
    {"user", required_argument, OPTION_USER, CONNECT},
    {"password-file", required_argument, OPTION_PASSWORD_FILE, CONNECT},
    {"no-register", no_argument, OPTION_NO_REGISTER, CONNECT},
    {"no-token", no_argument, OPTION_NO_TOKEN, CONNECT},
    {"pin", required_argument, OPTION_PIN, CONNECT},
    {"allow-cleartext", no_argument, OPTION_ALLOW_CLEARTEXT, CONNECT},
    {"retry-time", required_argument, OPTION_RETRY_TIME, CONNECT & ~CHECK},
    {"wait", required_argument, OPTION_WAIT, CONNECT},
    {"quiet", no_argument, OPTION_QUIET, ALL},
    {"json", no_argument, OPTION_JSON, ALL & ~TALK},
    {"json-stream", no_argument, OPTION_JSON_STREAM, PING | LOAD | IDLE},
    {"trace", no_argument, OPTION_TRACE, TALK | PING | IDLE | CHECK},
    {"reconnect", no_argument, OPTION_RECONNECT, TALK},
    {"chunk", required_argument, OPTION_CHUNK, TALK},
    {"interval", required_argument, OPTION_INTERVAL, PING},
    {"count", required_argument, OPTION_COUNT, PING},
    {"deadline", required_argument, OPTION_DEADLINE, PING},
    {"late", required_argument, OPTION_LATE, PING},
    {"redial", required_argument, OPTION_REDIAL, PING},
    {"timestamps", no_argument, OPTION_TIMESTAMPS, PING},
    {"plain", no_argument, OPTION_PLAIN, PING | IDLE},
    {"size", required_argument, OPTION_SIZE, PING | LOAD},
    {"connections", required_argument, OPTION_CONNECTIONS, LOAD | IDLE},
    {"rate", required_argument, OPTION_RATE, LOAD},
    {"in-flight", required_argument, OPTION_IN_FLIGHT, LOAD},
    {"seed", required_argument, OPTION_SEED, LOAD},
    {"threads", required_argument, OPTION_THREADS, LOAD},
    {"ramp", required_argument, OPTION_RAMP, LOAD},
    {"warm-up", required_argument, OPTION_WARM_UP, LOAD},
    {"duration", required_argument, OPTION_DURATION, LOAD},
    {"messages", required_argument, OPTION_MESSAGES, LOAD},
    {"min", required_argument, OPTION_MIN, IDLE},
    {"max", required_argument, OPTION_MAX, IDLE},
    {"resolution", required_argument, OPTION_RESOLUTION, IDLE},
    {"html", no_argument, OPTION_HTML, REPORT},
    {"text", no_argument, OPTION_TEXT, REPORT},
    {"hgrm", no_argument, OPTION_HGRM, REPORT},
    {"output", required_argument, OPTION_OUTPUT, REPORT},
};

/* The short names, and what they stand for. */
static const char short_names[] = ":hVqi:c:s:w:W:Do:";
static const struct {
	char letter;
	enum option_value value;
} shorts[] = {
    {'h', OPTION_HELP}, {'V', OPTION_VERSION},  {'q', OPTION_QUIET}, {'i', OPTION_INTERVAL},   {'c', OPTION_COUNT},
    {'s', OPTION_SIZE}, {'w', OPTION_DEADLINE}, {'W', OPTION_LATE},  {'D', OPTION_TIMESTAMPS}, {'o', OPTION_OUTPUT},
};

static const char help[] =
    N_("Usage: echoc [talk] [ADDRESS] [OPTION]...\n"
       "       echoc ping|load|idle|check ADDRESS [OPTION]...\n"
       "       echoc report FILE... [OPTION]...\n"
       "Sends what it is given to an echo server and checks that every byte comes back.\n"
       "\n"
       "On a terminal: a talk, line by line, with the round-trip time of each. Otherwise standard\n"
       "input is the data and standard output gets the bytes that came back, as in\n"
       "  echoc localhost < file > copy\n"
       "\n"
       "ADDRESS is [login:|raw:|tls:|raw+tls:]HOST[:PORT], :PORT, PORT, unix:PATH or raw+unix:PATH, or\n"
       "a NAME of ~/.config/echoc/config; raw means RFC 862, without login. Without ADDRESS: the newest\n"
       "echod of this machine, else 127.0.0.1:7862.\n"
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
       "  --trace               show the dialogue, C: and S:, with secrets masked\n"
       "  --chunk N             send N bytes per segment: TCP has no messages\n"
       "  --json                print the result as one JSON object (ping, load, idle, check, report)\n"
       "  --json-stream         print a JSON object a line as things happen (ping, load, idle)\n"
       "  -q, --quiet           say nothing but errors\n"
       "  -h, --help            print this and end\n"
       "  -V, --version         print the version and end\n");

static const char help_check[] =
    N_("echoc check ADDRESS makes one round trip and is silent when all is well: only the status tells. With\n"
       "--wait TIME it tries until the server is ready.\n");

static const char help_status[] =
    N_("Status: 0 every byte came back, 1 bytes lost or damaged, errors under load, or the rate missed,\n"
       "2 usage, 3 cannot reach, 4 login refused, 5 TLS failed, the server is not trusted, or no password\n"
       "may travel on this path, 6 no greeting or not the protocol.\n");

/* An option as it was given; taken when it is known which mode it is for. */
struct given {
	enum option_value value;
	const char *argument;
};

/* What a usage error is told as, where JSON was asked for. */
static enum mode usage_mode;

const char *options_schema(enum mode mode)
{
	return schemas[mode];
}

static void usage_as_json(const char *sentence)
{
	failure_json(stdout, schemas[usage_mode], STATUS_USAGE, NULL, sentence);
}

/* The end of the process for what only prints; status 1 if even that cannot be done. */
_Noreturn static void end(void)
{
	exit(fflush(stdout) || ferror(stdout) ? STATUS_LOST : STATUS_FINE);
}

_Noreturn static void print_help(void)
{
	const char *const parts[] = {help,       ping_options_help,   load_options_help, idle_options_help,
	                             help_check, report_options_help, help_status};

	for (size_t i = 0; i < array_size(parts); i++) {
		fputs(i ? "\n" : "", stdout);
		fputs(_(parts[i]), stdout);
	}
	end();
}

_Noreturn static void print_version(void)
{
	printf("echoc %s (glibc %s)\n", ECHOD_VERSION, gnu_get_libc_version());
	end();
}

static const char *check_user(const char *name)
{
	const char *why = user_problem(name);

	if (why)
		program_usage(ECHOC, "--user: %s.", _(why));
	return name;
}

static const char *check_pin(const char *pin)
{
	if (!known_servers_is_pin(pin))
		program_usage(ECHOC,
		              _("--pin '%s': give SHA256: and 43 characters of base64, as the server's log shows it."),
		              pin);
	return pin;
}

/* Those that several modes share. */
static void take_common(struct options *o, enum option_value option, const char *value)
{
	switch (option) {
	case OPTION_HELP: print_help();
	case OPTION_VERSION: print_version();
	case OPTION_USER: o->user = check_user(value); break;
	case OPTION_PASSWORD_FILE: o->password_file = value; break;
	case OPTION_NO_REGISTER: o->no_register = true; break;
	case OPTION_NO_TOKEN: o->no_token = true; break;
	case OPTION_PIN: o->pin = check_pin(value); break;
	case OPTION_RECONNECT: o->reconnect = true; break;
	case OPTION_RETRY_TIME: o->retry_ms = program_duration_ms(ECHOC, "--retry-time", value); break;
	case OPTION_WAIT: o->wait_ms = program_duration_ms(ECHOC, "--wait", value); break;
	case OPTION_ALLOW_CLEARTEXT: o->allow_cleartext = true; break;
	case OPTION_QUIET: o->quiet = true; break;
	case OPTION_JSON: o->json = true; break;
	case OPTION_JSON_STREAM: o->json_stream = true; break;
	case OPTION_TRACE: o->trace = true; break;
	case OPTION_CHUNK: o->chunk = program_number(ECHOC, "--chunk", value, 1, CHUNK_MAX); break;
	case OPTION_PLAIN: o->plain = true; break;
	default: break; /* of one mode */
	}
}

static void take(struct options *o, const struct given *given)
{
	const char *value = given->argument;

	take_common(o, given->value, value);
	switch (o->mode) {
	case MODE_TALK:
	case MODE_CHECK: break;
	case MODE_PING: ping_options_take(&o->ping, given->value, value); break;
	case MODE_LOAD: load_options_take(&o->load, given->value, value); break;
	case MODE_IDLE: idle_options_take(&o->idle, given->value, value); break;
	case MODE_REPORT: report_options_take(&o->report, given->value, value); break;
	}
}

static void check(const struct options *o)
{
	if (o->json && o->json_stream)
		program_usage(ECHOC, _("--json-stream ends with what --json prints: give one of them."));
	switch (o->mode) {
	case MODE_TALK:
	case MODE_CHECK:
	case MODE_LOAD: break;
	case MODE_PING: ping_options_check(&o->ping); break;
	case MODE_IDLE: idle_options_check(&o->idle); break;
	case MODE_REPORT: report_options_check(&o->report); break;
	}
}

/* ---- getopt ---- */

static enum option_value long_value(int option)
{
	for (size_t i = 0; i < array_size(shorts); i++) {
		if (shorts[i].letter == option)
			return shorts[i].value;
	}
	return (enum option_value)option;
}

_Noreturn static void refuse_option(int option, const char *argument)
{
	char letter[] = {'-', (char)optopt, '\0'};
	const char *given = optopt && optopt < OPTION_ALLOW_CLEARTEXT ? letter : argument;

	if (option == ':')
		program_usage(ECHOC, _("%s wants a value."), given);
	if (optopt >= OPTION_ALLOW_CLEARTEXT)
		program_usage(ECHOC, _("%s takes no value."), given);
	program_usage(ECHOC, _("there is no option %s."), given);
}

/* Gathers what was given. Returns how many. */
static int gather(int argc, char **argv, struct given *given)
{
	struct option names[array_size(known) + 1] = {0};
	int option, count = 0;

	for (size_t i = 0; i < array_size(known); i++)
		names[i] = (struct option){known[i].name, known[i].has_argument, NULL, known[i].value};
	opterr = 0; /* its sentences would not be ours */
	while ((option = getopt_long(argc, argv, short_names, names, NULL)) != -1) {
		if (option == ':' || option == '?')
			refuse_option(option, argv[optind - 1]);
		if (count == GIVEN_MAX)
			program_usage(ECHOC, _("more than %d options: give each of them once."), GIVEN_MAX);
		given[count++] = (struct given){.value = long_value(option), .argument = optarg};
	}
	return count;
}

/* The first word, where it is a mode. */
static enum mode find_mode(int argc, char **argv)
{
	for (int mode = 0; optind < argc && mode < MODES; mode++) {
		if (strcmp(argv[optind], mode_names[mode]) != 0)
			continue;
		optind++;
		return (enum mode)mode;
	}
	return MODE_TALK;
}

/* An option of other modes, which are named. */
_Noreturn static void refuse_mode(const struct known *k, enum mode mode)
{
	char others[64] = "";
	size_t n = 0;

	for (int other = 0; other < MODES; other++) {
		if (k->modes & (1U << other))
			n += (size_t)snprintf(others + n, sizeof(others) - n, "%s%s", n ? ", " : "", mode_names[other]);
	}
	program_usage(ECHOC, _("--%s is for echoc %s, not for echoc %s."), k->name, others, mode_names[mode]);
}

static void check_modes(const struct given *given, int count, enum mode mode)
{
	for (int i = 0; i < count; i++) {
		for (size_t k = 0; k < array_size(known); k++) {
			if (known[k].value == (int)given[i].value && !(known[k].modes & (1U << mode)))
				refuse_mode(&known[k], mode);
		}
	}
}

static void take_words(struct options *o, int argc, char **argv)
{
	if (o->mode == MODE_REPORT) {
		o->report.files = argv + optind;
		o->report.file_count = argc - optind;
		return;
	}
	if (optind < argc)
		o->address = argv[optind++];
	if (optind < argc)
		program_usage(
		    ECHOC, _("'%s' is one address too many: give one, behind talk, ping, load, idle, check or report."),
		    argv[optind]);
	if (o->mode != MODE_TALK && !o->address)
		program_usage(ECHOC, _("%s wants the ADDRESS of a server."), mode_names[o->mode]);
}

/* Seen before anything can be wrong, so that what is wrong is told as it was asked for. */
static void prepare_usage(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--json") == 0 || strcmp(argv[i], "--json-stream") == 0) {
			program_on_usage(usage_as_json);
			words_stay_english(); /* errors and warnings are sentences in JSON, too */
		}
		for (int mode = 0; mode < MODES && usage_mode == MODE_TALK; mode++) {
			if (strcmp(argv[i], mode_names[mode]) == 0)
				usage_mode = (enum mode)mode;
		}
	}
}

void options_parse(struct options *o, int argc, char **argv)
{
	struct given given[GIVEN_MAX];

	*o = (struct options){.retry_ms = RETRY_MS};
	ping_options_init(&o->ping);
	load_options_init(&o->load);
	idle_options_init(&o->idle);
	report_options_init(&o->report);
	prepare_usage(argc, argv);
	int count = gather(argc, argv, given);
	o->mode = find_mode(argc, argv);
	check_modes(given, count, o->mode);
	for (int i = 0; i < count; i++)
		take(o, &given[i]);
	if (o->json || o->json_stream) /* abbreviated, for instance */
		words_stay_english();
	if (o->mode == MODE_LOAD)
		load_options_check(&o->load);
	take_words(o, argc, argv);
	check(o);
}
