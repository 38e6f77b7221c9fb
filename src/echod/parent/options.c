#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <gnu/libc-version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "program.h"
#include "text.h"
#include "wire.h"
#include "words.h"

#define NAME "echod"

/* The default cost of a password hash; accounts/password.h has the source. The parent knows no more of accounts. */
#define HASH_KIB    19456
#define HASH_PASSES 2

#define FAILURES_MAX 1000000
#define UNREAD_MIB   256 /* where the kernel does not say what it has */

#define BUSY_POLL_MAX_US 10000 /* a sleeping thread wakes in a fraction of that */

/* Each part is translated by itself. */
static const char *const help[] = {
    N_("echod - an echo service that one can log in to\n"),
    N_("Usage: echod [OPTION]...\n"),
    N_("Without options it listens on this machine only (127.0.0.1, port 7862 or the next free one), lets new users\n"
       "register, keeps them in ~/.local/state/echod/cli_info, reports on standard error, and prints one line when it\n"
       "is ready:  ready listen=127.0.0.1:7862 pid=4242\n"),
    N_("Where to listen:\n"
       "  --listen ADDRESS      [login:|raw:|tls:|raw+tls:]HOST[:PORT|:FIRST-LAST], :PORT, PORT, unix:PATH or\n"
       "                        raw+unix:PATH; may be repeated. login (the default) asks for a name and a password\n"
       "                        first; raw is RFC 862 to the letter; tls is login inside TLS, raw+tls raw inside TLS.\n"
       "                        Port 0 lets the kernel choose. IPv6 goes in brackets: [::1]:7862\n"
       "  --ask                 ask for host and port\n"
       "  --next-port           when a given port is busy, take the next free one (the default port does so by "
       "itself)\n"
       "  --strict-port         never take another port\n"
       "  --port-file FILE      write the port of each TCP listener there, one a line, once all listen\n"
       "  --proxy-from CIDR     clients of the TCP listener named before that come from there, as 10.0.0.0/8, are "
       "relays:\n"
       "                        they must begin with a PROXY header (v1 or v2) that says whose connection it is; may "
       "be\n"
       "                        repeated. Before the first --listen it holds for every TCP listener\n"
       "  --socket-mode MODE    permissions of unix sockets, in octal (default 0600)\n"),
    N_("Accounts:\n"
       "  --state DIR           state directory (default $STATE_DIRECTORY, $XDG_STATE_HOME/echod, "
       "~/.local/state/echod)\n"
       "  --accounts sqlite:PATH  the accounts' file (default cli_info in the state directory)\n"
       "  --register open|closed  may new users register? (default: only on listeners that no other machine reaches)\n"
       "  --allow-cleartext     take passwords over unencrypted paths from other machines, too\n"
       "  --token-life TIME     how long a resume token is good (default 8h)\n"
       "  --hash-memory KIB     memory of a password hash (default 19456; less is for tests)\n"
       "  --hash-passes N       passes of a password hash (default 2; less is for tests)\n"),
    N_("TLS:\n"
       "  --cert FILE           certificate and its chain for the tls: listeners, PEM\n"
       "  --key FILE            its key, PEM; may be the same file. Without the two echod makes its own in the state\n"
       "                        directory, renews it, and says its fingerprint; SIGHUP reads them again\n"),
    N_("Who it is:\n"
       "  --user NAME           started by root, become that user when the addresses are bound and the log is open\n"
       "  --allow-root          started by root, stay root; one of the two must be given then\n"),
    N_("Log:\n"
       "  --log FILE|-          service messages go to FILE (default -, standard error); SIGHUP reopens it\n"
       "  --log-level LEVEL     error, warning, info (default) or debug; debug reports each chunk\n"),
    N_("Limits (durations like 250ms, 30s, 5m, off):\n"
       "  --workers N           threads that serve (default: one per core)\n"
       "  --busy-poll TIME      spin so long, as in 50us, before sleeping, while that pays (default off; at most "
       "10ms)\n"
       "  --max-connections N   (default: what the limit on open files allows)\n"
       "  --address-connections N  at once from one address, IPv6 by /64 (default 256; 0: no limit)\n"
       "  --address-rate N      new connections a second from one address (default 1000; 0: no limit)\n"
       "  --address-accounts N  new accounts of one address in an hour (default 10; 0: no limit)\n"
       "  --limit-local         hold these three for this machine's own addresses, too\n"
       "  --max-accounts N      (default 100000; 0: no limit)\n"
       "  --login-slots N       logins under way at once; beyond that, the oldest of the address with the most is "
       "closed\n"
       "                        (default 1000)\n"
       "  --unread-memory MIB   of the kernel, for connections whose clients do not read; beyond that, those that take "
       "the\n"
       "                        most are reset (default: half of where net.ipv4.tcp_mem says pressure; 0: no limit)\n"
       "  --login-time TIME     to log in (default 30s)\n"
       "  --idle-time TIME      without a byte from a raw client (default 5m; off on loopback)\n"
       "  --login-idle-time TIME  the same for one who logged in (default off)\n"
       "  --stall-time TIME     without a client taking what waits for it (default 5m)\n"
       "  --keepalive TIME      first TCP keepalive probe (default 60s)\n"
       "  --address-failures N  logins that one address may fail at once, and 6 a minute from then on (default 10)\n"
       "  --account-failures N  the same for one account from all addresses that never logged in to it (default 100)\n"
       "  --failure-delay TIME  before the second refusal of an address; doubles up to 15s (default 2s)\n"
       "  --drain TIME          at the end, for clients to take what waits for them (default 30s)\n"),
    "  --help, --version\n",
    N_("Signals: SIGTERM, SIGINT end politely, a second one at once; SIGHUP reopens the log and reads\n"
       "the certificate again; SIGUSR1 reopens the log; SIGQUIT ends at once.\n"
       "Status: 0 drained, 1 failed at start or forced, 2 usage, 3 address busy or not bindable.\n"),
};

enum {
	OPT_LISTEN = 256,
	OPT_ASK,
	OPT_NEXT_PORT,
	OPT_STRICT_PORT,
	OPT_PORT_FILE,
	OPT_PROXY_FROM,
	OPT_SOCKET_MODE,
	OPT_STATE,
	OPT_ACCOUNTS,
	OPT_REGISTER,
	OPT_ALLOW_CLEARTEXT,
	OPT_TOKEN_LIFE,
	OPT_HASH_MEMORY,
	OPT_HASH_PASSES,
	OPT_CERT,
	OPT_KEY,
	OPT_USER,
	OPT_ALLOW_ROOT,
	OPT_LOG,
	OPT_LOG_LEVEL,
	OPT_WORKERS,
	OPT_BUSY_POLL,
	OPT_MAX_CONNECTIONS,
	OPT_ADDRESS_CONNECTIONS,
	OPT_ADDRESS_RATE,
	OPT_LIMIT_LOCAL,
	OPT_LOGIN_SLOTS,
	OPT_MAX_ACCOUNTS,
	OPT_ADDRESS_ACCOUNTS,
	OPT_UNREAD_MEMORY,
	OPT_LOGIN_TIME,
	OPT_IDLE_TIME,
	OPT_LOGIN_IDLE_TIME,
	OPT_STALL_TIME,
	OPT_KEEPALIVE,
	OPT_ADDRESS_FAILURES,
	OPT_ACCOUNT_FAILURES,
	OPT_FAILURE_DELAY,
	OPT_DRAIN,
	OPT_HELP,
	OPT_VERSION,
};

static const struct option long_options[] = {
    {"listen", required_argument, NULL, OPT_LISTEN},
    {"ask", no_argument, NULL, OPT_ASK},
    {"next-port", no_argument, NULL, OPT_NEXT_PORT},
    {"strict-port", no_argument, NULL, OPT_STRICT_PORT},
    {"port-file", required_argument, NULL, OPT_PORT_FILE},
    {"proxy-from", required_argument, NULL, OPT_PROXY_FROM},
    {"socket-mode", required_argument, NULL, OPT_SOCKET_MODE},
    {"state", required_argument, NULL, OPT_STATE},
    {"accounts", required_argument, NULL, OPT_ACCOUNTS},
    {"register", required_argument, NULL, OPT_REGISTER},
    {"allow-cleartext", no_argument, NULL, OPT_ALLOW_CLEARTEXT},
    {"token-life", required_argument, NULL, OPT_TOKEN_LIFE},
    {"hash-memory", required_argument, NULL, OPT_HASH_MEMORY},
    {"hash-passes", required_argument, NULL, OPT_HASH_PASSES},
    {"cert", required_argument, NULL, OPT_CERT},
    {"key", required_argument, NULL, OPT_KEY},
    {"user", required_argument, NULL, OPT_USER},
    {"allow-root", no_argument, NULL, OPT_ALLOW_ROOT},
    {"log", required_argument, NULL, OPT_LOG},
    {"log-level", required_argument, NULL, OPT_LOG_LEVEL},
    {"workers", required_argument, NULL, OPT_WORKERS},
    {"busy-poll", required_argument, NULL, OPT_BUSY_POLL},
    {"max-connections", required_argument, NULL, OPT_MAX_CONNECTIONS},
    {"address-connections", required_argument, NULL, OPT_ADDRESS_CONNECTIONS},
    {"address-rate", required_argument, NULL, OPT_ADDRESS_RATE},
    {"limit-local", no_argument, NULL, OPT_LIMIT_LOCAL},
    {"login-slots", required_argument, NULL, OPT_LOGIN_SLOTS},
    {"max-accounts", required_argument, NULL, OPT_MAX_ACCOUNTS},
    {"address-accounts", required_argument, NULL, OPT_ADDRESS_ACCOUNTS},
    {"unread-memory", required_argument, NULL, OPT_UNREAD_MEMORY},
    {"login-time", required_argument, NULL, OPT_LOGIN_TIME},
    {"idle-time", required_argument, NULL, OPT_IDLE_TIME},
    {"login-idle-time", required_argument, NULL, OPT_LOGIN_IDLE_TIME},
    {"stall-time", required_argument, NULL, OPT_STALL_TIME},
    {"keepalive", required_argument, NULL, OPT_KEEPALIVE},
    {"address-failures", required_argument, NULL, OPT_ADDRESS_FAILURES},
    {"account-failures", required_argument, NULL, OPT_ACCOUNT_FAILURES},
    {"failure-delay", required_argument, NULL, OPT_FAILURE_DELAY},
    {"drain", required_argument, NULL, OPT_DRAIN},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0},
};

static _Noreturn void print_help(void)
{
	for (size_t i = 0; i < array_size(help); i++) {
		fputs(i ? "\n" : "", stdout);
		fputs(_(help[i]), stdout);
	}
	exit(fflush(stdout) || ferror(stdout) ? 1 : 0);
}

static _Noreturn void out_of_memory(void)
{
	program_say(NAME, _("cannot start: there is no memory for the options; free some and try again."));
	exit(1);
}

/* What was given last counts. */
static void keep(char **option, const char *value)
{
	free(*option);
	*option = strdup(value);
	if (!*option)
		out_of_memory();
}

static uint32_t default_workers(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return cores < 1 ? 1 : cores > ORDER_WORKERS_MAX ? ORDER_WORKERS_MAX : (uint32_t)cores;
}

static void add_listener(struct options *o, const char *text)
{
	const char *why;

	if (o->listeners == ORDER_LISTENERS_MAX)
		program_usage(NAME, _("--listen '%s': at most %d listeners can be given."), text, ORDER_LISTENERS_MAX);
	struct address *a = &o->listen[o->listeners];
	if (address_parse(text, WIRE_PORT, a, &why))
		program_usage(NAME, _("--listen '%s': %s."), text, _(why));
	if (!a->is_unix)
		o->proxy_from[o->listeners] = o->proxy_from_all;
	o->listeners++;
}

static void add_relays(struct options *o, const char *text)
{
	struct network_list *list = o->listeners ? &o->proxy_from[o->listeners - 1] : &o->proxy_from_all;
	const char *why;

	if (o->listeners && o->listen[o->listeners - 1].is_unix)
		program_usage(
		    NAME, _("--proxy-from '%s': relays reach TCP listeners only; give it behind one of those."), text);
	if (list->count == NETWORKS_MAX)
		program_usage(NAME, _("--proxy-from '%s': at most %d networks can be given for a listener."), text,
		              NETWORKS_MAX);
	if (network_parse(text, &list->network[list->count], &why))
		program_usage(NAME, _("--proxy-from '%s': %s."), text, _(why));
	list->count++;
}

static mode_t parse_mode(const char *text)
{
	char *end;
	unsigned long mode = strtoul(text, &end, 8);

	if (!*text || *end || mode > 0777)
		program_usage(NAME, _("--socket-mode '%s': give permissions in octal, like 0660."), text);
	return (mode_t)mode;
}

static enum registration parse_registration(const char *text)
{
	if (strcmp(text, "open") == 0)
		return REGISTER_OPEN;
	if (strcmp(text, "closed") != 0)
		program_usage(NAME, _("--register '%s': give open or closed."), text);
	return REGISTER_CLOSED;
}

/* What is asked for on the command line, and acted on when all of it is known. */
struct wishes {
	bool ask, allow_root;
	const char *user;
};

static void parse_option(struct options *o, int option, const char *value, struct wishes *w)
{
	switch (option) {
	case OPT_LISTEN: add_listener(o, value); break;
	case OPT_ASK: w->ask = true; break;
	case OPT_NEXT_PORT: o->next_port = true; break;
	case OPT_STRICT_PORT: o->strict_port = true; break;
	case OPT_PORT_FILE: o->port_file = value; break;
	case OPT_PROXY_FROM: add_relays(o, value); break;
	case OPT_SOCKET_MODE: o->socket_mode = parse_mode(value); break;
	case OPT_STATE: keep(&o->state, value); break;
	case OPT_ACCOUNTS: keep(&o->accounts, value); break;
	case OPT_REGISTER: o->registration = parse_registration(value); break;
	case OPT_ALLOW_CLEARTEXT: o->allow_cleartext = true; break;
	case OPT_TOKEN_LIFE: o->token_life_ms = program_duration_ms(NAME, "--token-life", value); break;
	case OPT_HASH_MEMORY:
		o->hash_kib = (uint32_t)program_number(NAME, "--hash-memory", value, 8, 1024 * 1024);
		break;
	case OPT_HASH_PASSES: o->hash_passes = (uint32_t)program_number(NAME, "--hash-passes", value, 1, 10); break;
	case OPT_CERT: o->cert = value; break;
	case OPT_KEY: o->key = value; break;
	case OPT_USER: w->user = value; break;
	case OPT_ALLOW_ROOT: w->allow_root = true; break;
	case OPT_LOG: o->log = strcmp(value, "-") == 0 ? NULL : value; break;
	case OPT_LOG_LEVEL:
		if (log_level_parse(value, &o->log_level))
			program_usage(NAME, _("--log-level '%s': give error, warning, info or debug."), value);
		break;
	case OPT_WORKERS: o->workers = (uint32_t)program_number(NAME, "--workers", value, 1, ORDER_WORKERS_MAX); break;
	case OPT_BUSY_POLL: o->busy_poll_us = program_duration_us(NAME, "--busy-poll", value, BUSY_POLL_MAX_US); break;
	case OPT_MAX_CONNECTIONS:
		o->max_connections = (uint32_t)program_number(NAME, "--max-connections", value, 1, 100000000);
		break;
	case OPT_ADDRESS_CONNECTIONS:
		o->address_connections = (uint32_t)program_number(NAME, "--address-connections", value, 0, 100000000);
		break;
	case OPT_ADDRESS_RATE:
		o->address_rate = (uint32_t)program_number(NAME, "--address-rate", value, 0, 1000000);
		break;
	case OPT_LIMIT_LOCAL: o->limit_local = true; break;
	case OPT_LOGIN_SLOTS: o->login_slots = (uint32_t)program_number(NAME, "--login-slots", value, 1, 20000); break;
	case OPT_MAX_ACCOUNTS:
		o->max_accounts = (uint32_t)program_number(NAME, "--max-accounts", value, 0, 100000000);
		break;
	case OPT_ADDRESS_ACCOUNTS:
		o->address_accounts = (uint32_t)program_number(NAME, "--address-accounts", value, 0, 1000000);
		break;
	case OPT_UNREAD_MEMORY:
		o->unread_mib = (uint32_t)program_number(NAME, "--unread-memory", value, 0, 1024 * 1024);
		break;
	case OPT_LOGIN_TIME: o->login_ms = program_duration_ms(NAME, "--login-time", value); break;
	case OPT_IDLE_TIME:
		o->idle_ms = program_duration_ms(NAME, "--idle-time", value);
		o->idle_given = true;
		break;
	case OPT_LOGIN_IDLE_TIME: o->login_idle_ms = program_duration_ms(NAME, "--login-idle-time", value); break;
	case OPT_STALL_TIME: o->stall_ms = program_duration_ms(NAME, "--stall-time", value); break;
	case OPT_KEEPALIVE:
		o->keepalive_s = (uint32_t)((program_duration_ms(NAME, "--keepalive", value) + 999) / 1000);
		break;
	case OPT_ADDRESS_FAILURES:
		o->address_failures = (uint32_t)program_number(NAME, "--address-failures", value, 1, FAILURES_MAX);
		break;
	case OPT_ACCOUNT_FAILURES:
		o->account_failures = (uint32_t)program_number(NAME, "--account-failures", value, 1, FAILURES_MAX);
		break;
	case OPT_FAILURE_DELAY: o->failure_delay_ms = program_duration_ms(NAME, "--failure-delay", value); break;
	case OPT_DRAIN: o->drain_ms = program_duration_ms(NAME, "--drain", value); break;
	case OPT_HELP: print_help();
	case OPT_VERSION:
		printf("echod %s (built with %s; glibc %s)\n", ECHOD_VERSION, ECHOD_LIBRARIES, gnu_get_libc_version());
		exit(0);
	default: program_usage(NAME, _("the options are not understood."));
	}
}

/*
 * Asks a question on stderr, for stdout has the ready line only. An empty answer is the default's. Returns false at the
 * end of input.
 */
static bool ask_for(const char *question, const char *otherwise, char *answer, size_t cap)
{
	char *line = NULL;
	size_t size = 0;

	fprintf(stderr, "%s [%s]: ", question, otherwise);
	bool came = getline(&line, &size, stdin) > 0;
	if (came) {
		line[strcspn(line, "\r\n")] = '\0';
		if (!text_copy(answer, cap, line))
			text_copy(answer, cap, "[an answer that long is none"); /* and is refused as an address */
	}
	free(line);
	return came;
}

/* Asks for host and port until they are an address, and adds it. */
static void ask_listener(struct options *o)
{
	char host[ADDRESS_HOST_MAX], port[32], text[ADDRESS_TEXT_MAX];
	struct address *a = &o->listen[0];
	const char *why;

	for (;;) {
		if (!ask_for(_("Host"), "127.0.0.1", host, sizeof(host)) ||
		    !ask_for(_("Port"), _("7862 or the next free"), port, sizeof(port)))
			program_usage(NAME, _("--ask: the input ended before host and port were given."));
		bool is_v6 = strchr(host, ':') && *host != '[';
		snprintf(text, sizeof(text), "%s%s%s%s%s", is_v6 ? "[" : "", *host ? host : "127.0.0.1",
		         is_v6 ? "]" : "", *port ? ":" : "", port);
		if (address_parse(text, WIRE_PORT, a, &why) == 0) {
			o->proxy_from[0] = o->proxy_from_all;
			o->listeners = 1;
			return;
		}
		fprintf(stderr, _("That is no address to listen on: %s.\n"), _(why));
	}
}

/* Half of what all TCP may have before the kernel feels pressure, and begins to refuse what comes (tcp(7)). */
static uint32_t default_unread_mib(void)
{
	unsigned long low, pressure;
	FILE *f = fopen("/proc/sys/net/ipv4/tcp_mem", "re");
	bool is_known = f && fscanf(f, "%lu %lu", &low, &pressure) == 2;

	if (f)
		fclose(f);
	uint64_t mib = is_known ? (uint64_t)pressure * (uint64_t)sysconf(_SC_PAGESIZE) / 2 / 1024 / 1024 : UNREAD_MIB;
	return mib < 1 ? 1 : mib > 1024 * 1024 ? 1024 * 1024 : (uint32_t)mib;
}

static void defaults(struct options *o)
{
	*o = (struct options){.log_level = LOG_INFO,
	                      .workers = default_workers(),
	                      .keepalive_s = 60,
	                      .address_connections = 256,
	                      .address_rate = 1000,
	                      .login_slots = 1000,
	                      .unread_mib = default_unread_mib(),
	                      .hash_kib = HASH_KIB,
	                      .hash_passes = HASH_PASSES,
	                      .token_life_ms = 8 * 60 * 60 * 1000,
	                      .max_accounts = 100000,
	                      .address_accounts = 10,
	                      .login_ms = 30000,
	                      .idle_ms = 300000,
	                      .stall_ms = 300000,
	                      .address_failures = 10,
	                      .account_failures = 100,
	                      .failure_delay_ms = 2000,
	                      .drain_ms = 30000,
	                      .socket_mode = 0600};
}

/* A certificate that serves nobody may mean that passwords travel in the clear, against its owner's belief. */
static void check_tls(const struct options *o)
{
	bool serves_tls = false;

	for (uint32_t i = 0; i < o->listeners; i++)
		serves_tls |= o->listen[i].tls;
	if (!o->cert != !o->key)
		program_usage(NAME, _("--cert and --key belong together: give both; they may name one file."));
	if (o->cert && !serves_tls)
		program_usage(
		    NAME, _("--cert and --key are for a TLS listener, and there is none: add --listen tls:HOST:PORT."));
}

static void check(struct options *o)
{
	char *state = program_state_dir(o->state);

	if (!state && errno == ENOMEM)
		out_of_memory();
	free(o->state);
	if (!state)
		program_usage(NAME, _("no state directory is known: give --state DIR, or set HOME."));
	o->state = state;
	if (!o->accounts && asprintf(&o->accounts, "sqlite:%s/cli_info", state) < 0)
		out_of_memory();
	if (strncmp(o->accounts, "sqlite:", 7) != 0 || !o->accounts[7])
		program_usage(NAME, _("--accounts '%s': give sqlite:PATH."), o->accounts);
	if (strlen(o->accounts) >= ORDER_TEXT_MAX)
		program_usage(NAME, _("--accounts: the path is longer than %d bytes."), ORDER_TEXT_MAX - 1);
	if (o->next_port && o->strict_port)
		program_usage(NAME, _("--next-port and --strict-port exclude each other: give one."));
	for (uint32_t i = 0; o->strict_port && i < o->listeners; i++) {
		if (o->listen[i].port_kind == ADDRESS_PORT_RANGE)
			program_usage(NAME, _("--strict-port and a range of ports exclude each other: give one port."));
	}
	if (!o->login_ms)
		program_usage(NAME, _("--login-time off: a login must have a limit; give a duration."));
	if (!o->token_life_ms)
		program_usage(NAME, _("--token-life off: a token must have an end; give a duration."));
	check_tls(o);
}

void options_parse(struct options *o, int argc, char **argv)
{
	struct wishes w = {0};
	int option;

	defaults(o);
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":hV", long_options, NULL)) != -1) {
		if (option == 'h' || option == 'V')
			option = option == 'h' ? OPT_HELP : OPT_VERSION;
		if (option == ':')
			program_usage(NAME, _("%s needs a value."), argv[optind - 1]);
		if (option == '?')
			program_usage(NAME,
			              _("'%s' is not an option of echod, or is given a value that it does not take."),
			              argv[optind - 1]);
		parse_option(o, option, optarg, &w);
	}
	if (optind < argc)
		program_usage(NAME, _("'%s': echod takes options only; where to listen is given as --listen %s."),
		              argv[optind], argv[optind]);
	if (w.ask && o->listeners)
		program_usage(NAME, _("--ask and --listen exclude each other: give one."));
	privileges_choose(&o->privileges, w.user, w.allow_root);
	if (w.ask)
		ask_listener(o);
	if (!o->listeners)
		add_listener(o, "127.0.0.1");
	check(o);
}

void options_free(struct options *o)
{
	free(o->state);
	free(o->accounts);
}
