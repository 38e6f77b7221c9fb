#include "options.h"

#include <assert.h>
#include <getopt.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistring/version.h>

#include "must.h"
#include "number.h"
#include "report.h"
#include "words.h"

enum { OPT_STATE = 256, OPT_ACCOUNTS, OPT_PASSWORD_FILE, OPT_HASH_MEMORY, OPT_HASH_PASSES };

/* The dash: words stand where they are for the first reading, which would otherwise move them past a missing value. */
static const char in_place_options[] = "-:hVj";
static const char *const short_options = in_place_options + 1;
static const struct option long_options[] = {
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {"json", no_argument, NULL, 'j'},
    {"state", required_argument, NULL, OPT_STATE},
    {"accounts", required_argument, NULL, OPT_ACCOUNTS},
    {"password-file", required_argument, NULL, OPT_PASSWORD_FILE},
    {"hash-memory", required_argument, NULL, OPT_HASH_MEMORY},
    {"hash-passes", required_argument, NULL, OPT_HASH_PASSES},
    {NULL, 0, NULL, 0},
};

/* Each part is translated by itself. */
static const char *const help[] = {
    N_("echoctl looks after echod's accounts and shows what a running echod is doing.\n"),
    N_("Usage: echoctl user add NAME        make an account; asks for its password\n"
       "       echoctl user passwd NAME     give it another password\n"
       "       echoctl user disable NAME    refuse its logins from now on\n"
       "       echoctl user enable NAME     allow them again\n"
       "       echoctl user remove NAME     forget it\n"
       "       echoctl user list            show all accounts\n"
       "       echoctl user show NAME       show one\n"
       "       echoctl revoke NAME          end its resume tokens\n"
       "       echoctl status               show the running server\n"
       "       echoctl drain                have it end politely, as SIGTERM does\n"
       "       echoctl reload               have it open its log anew and take its certificate anew, as SIGHUP does\n"
       "       echoctl penalties            show whom it keeps waiting for failed logins\n"
       "       echoctl penalties clear      forget them\n"),
    N_("A NAME is 1 to 64 letters and digits of any script, and . _ - + @. A password is 8 to 256 bytes. It is asked "
       "for twice\n"
       "on a terminal; otherwise it is the first line of standard input.\n"),
    N_("Options:\n"
       "      --state DIR            where echod keeps its state (default: $STATE_DIRECTORY, else "
       "$XDG_STATE_HOME/echod,\n"
       "                             that is ~/.local/state/echod)\n"
       "      --accounts sqlite:PATH the accounts (default: cli_info in the state directory); made if absent\n"
       "      --password-file FILE   take the password from FILE's first line; - is standard input\n"
       "      --hash-memory KIB      memory of a password hash in KiB, 8 to 1048576 (default: 19456)\n"
       "      --hash-passes N        passes of a password hash, 1 to 10 (default: 2)\n"
       "  -j, --json                 answer, and report errors, in JSON on standard output\n"
       "  -h, --help                 show this\n"
       "  -V, --version              show the versions of echoctl and its libraries\n"),
    N_("Exit status: 0 done; 1 failed; 2 the command line is wrong; 3 no server, or no accounts, within reach; 4 there "
       "is no\n"
       "such account, or for 'user add' there is one.\n"),
    N_("Examples:\n"
       "  echoctl user add anna\n"
       "  echoctl user add probe --password-file /run/secrets/probe\n"
       "  echoctl user list --json\n"
       "  echoctl status\n"),
};

static_assert(PASSWORD_DEFAULT_KIB == 19456 && PASSWORD_DEFAULT_PASSES == 2 && PASSWORD_MIN_KIB == 8 &&
                  PASSWORD_MAX_KIB == 1048576 && PASSWORD_MAX_PASSES == 10 && PASSWORD_BYTES_MIN == 8 &&
                  PASSWORD_BYTES_MAX == 256,
              "the help says so");

static int say_help(void)
{
	int status = REPORT_DONE;

	for (size_t i = 0; i < array_size(help) && status == REPORT_DONE; i++) {
		const char *text = _(help[i]);
		status = i > 0 ? report_print("\n", 1) : REPORT_DONE;
		if (status == REPORT_DONE)
			status = report_print(text, strlen(text));
	}
	return status;
}

static int say_version(void)
{
	char text[256];
	int len = snprintf(text, sizeof(text), "echoctl %s\nSQLite %s\nlibsodium %s\nlibunistring %d.%d\n",
	                   ECHOD_VERSION, sqlite3_libversion(), sodium_version_string(), _libunistring_version >> 16,
	                   _libunistring_version >> 8 & 0xff);

	return report_print(text, (size_t)len);
}

/* Errors are JSON where --json stands anywhere, so it is looked for first. */
static bool wants_json(int argc, char **argv)
{
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, in_place_options, long_options, NULL)) != -1) {
		if (c == 'j')
			json = true;
	}
	optind = 0; /* glibc and musl: begin anew */
	return json;
}

static bool take_number(const struct options *o, const char *option, uint32_t least, uint32_t most, uint32_t *out,
                        int *status)
{
	uint64_t n = 0;

	if (number_parse(optarg, least, most, &n)) {
		*status = report_usage(o->json, _("%s '%s' is no whole number from %u to %u; give one."), option,
		                       optarg, least, most);
		return false;
	}
	*out = (uint32_t)n;
	return true;
}

/* After getopt_long's `?`: optopt is 0 for an unknown long option, and a known letter for one that takes no value. */
static int bad_option(const struct options *o, const char *word)
{
	if (optopt == 0)
		return report_usage(o->json, _("There is no option '%.100s', or it could be several."), word);
	if (strchr(short_options, optopt))
		return report_usage(o->json, _("The option '%.100s' takes no value."), word);
	return report_usage(o->json, _("There is no option '-%c'."), optopt);
}

static bool take_option(struct options *o, int c, char **argv, int *status)
{
	switch (c) {
	case 'j': return true;
	case OPT_STATE: o->state = optarg; return true;
	case OPT_ACCOUNTS: o->accounts = optarg; return true;
	case OPT_PASSWORD_FILE: o->password_file = optarg; return true;
	case OPT_HASH_MEMORY:
		return take_number(o, "--hash-memory", PASSWORD_MIN_KIB, PASSWORD_MAX_KIB, &o->cost.kib, status);
	case OPT_HASH_PASSES: return take_number(o, "--hash-passes", 1, PASSWORD_MAX_PASSES, &o->cost.passes, status);
	case 'h': *status = say_help(); return false;
	case 'V': *status = say_version(); return false;
	case ':':
		*status = report_usage(o->json, _("The option '%s' wants a value after it."), argv[optind - 1]);
		return false;
	default: *status = bad_option(o, argv[optind - 1]); return false;
	}
}

bool options_parse(struct options *o, int argc, char **argv, int *status)
{
	int c;

	opterr = 0;
	*o = (struct options){
	    .json = wants_json(argc, argv),
	    .cost = {.kib = PASSWORD_DEFAULT_KIB, .passes = PASSWORD_DEFAULT_PASSES},
	};
	if (o->json)
		words_stay_english();
	while ((c = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
		if (!take_option(o, c, argv, status))
			return false;
	}
	o->words = argc - optind;
	o->word = argv + optind;
	return true;
}
