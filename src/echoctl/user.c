#include "user.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "json.h"
#include "program.h"
#include "report.h"
#include "secret.h"
#include "show.h"
#include "store.h"
#include "text.h"
#include "words.h"

/* One run of one command. */
struct job {
	const struct options *options;
	struct store *store;
	char name[NAME_BYTES_MAX + 1]; /* normalised; empty for list */
};

/* Reports what the store refused. */
static int fail(const struct job *j, enum store_result result)
{
	switch (result) {
	case STORE_OK: break;
	case STORE_SPENT:    /* of tokens, which no command here uses */
	case STORE_TOO_MANY: /* nor does any have a limit */
	case STORE_ABSENT:
		return report_fail(j->options->json, REPORT_ACCOUNT,
		                   _("There is no account %s; 'echoctl user list' shows those that there are."),
		                   j->name);
	case STORE_EXISTS:
		return report_fail(j->options->json, REPORT_ACCOUNT,
		                   _("There is an account %s already; 'echoctl user passwd %s' changes its password."),
		                   j->name, j->name);
	case STORE_BUSY:
	case STORE_UNAVAILABLE: return report_fail(j->options->json, REPORT_UNREACHABLE, "%s", store_why(j->store));
	}
	return REPORT_DONE;
}

/* Says what was done to the account: a participle, to be translated. */
static int tell(const struct job *j, const char *done)
{
	char text[2 * 6 * NAME_BYTES_MAX];
	FILE *out = fmemopen(text, sizeof(text), "w");

	if (!out)
		return report_fail(j->options->json, REPORT_FAILED, _("%s: %s, but memory is out for saying so."),
		                   j->name, _(done));
	if (j->options->json) {
		fputs("{\"name\": ", out);
		json_string(out, j->name);
		fprintf(out, ", \"done\": \"%s\"}\n", done);
	} else {
		fprintf(out, "%s: %s\n", j->name, _(done));
	}
	size_t len = (size_t)ftell(out);
	fclose(out);
	return report_print(text, len);
}

static void warn_of_cheap_hash(const struct options *o)
{
	if (o->cost.kib < PASSWORD_DEFAULT_KIB || o->cost.passes < PASSWORD_DEFAULT_PASSES)
		program_say(
		    "echoctl",
		    _("warning: a hash of %u KiB and %u passes is cheaper to guess than the default, %d KiB and %d; "
		      "use it for tests only."),
		    o->cost.kib, o->cost.passes, PASSWORD_DEFAULT_KIB, PASSWORD_DEFAULT_PASSES);
}

/* Reads a new password and hashes it. */
static int make_hash(const struct job *j, char hash[PASSWORD_HASH_MAX])
{
	const struct options *o = j->options;
	struct secret secret = {.len = 0};
	int status = secret_read(o, j->name, &secret), err = 0;

	if (status == REPORT_DONE) {
		warn_of_cheap_hash(o);
		err = password_hash(o->cost, secret.bytes, secret.len, hash);
	}
	password_wipe(&secret, sizeof(secret));
	if (err)
		return report_fail(
		    o->json, REPORT_FAILED,
		    _("Cannot hash the password for %s: memory is out; free some, or lower --hash-memory (%u KiB)."),
		    j->name, o->cost.kib);
	return status;
}

/* Whether there is such an account, so that nobody is asked for a password in vain. */
static enum store_result look_up(const struct job *j)
{
	struct account account;
	enum store_result result = store_find(j->store, j->name, &account);

	password_wipe(&account, sizeof(account));
	return result;
}

static int add(struct job *j)
{
	char hash[PASSWORD_HASH_MAX];
	enum store_result result = look_up(j);

	if (result != STORE_ABSENT)
		return fail(j, result == STORE_OK ? STORE_EXISTS : result);
	int status = make_hash(j, hash);
	if (status != REPORT_DONE)
		return status;
	result = store_add(j->store, j->name, hash, clock_wall_us());
	password_wipe(hash, sizeof(hash));
	return result == STORE_OK ? tell(j, N_("added")) : fail(j, result);
}

static int passwd(struct job *j)
{
	char hash[PASSWORD_HASH_MAX];
	enum store_result result = look_up(j);

	if (result != STORE_OK)
		return fail(j, result);
	int status = make_hash(j, hash);
	if (status != REPORT_DONE)
		return status;
	result = store_set_hash(j->store, j->name, hash, NULL);
	password_wipe(hash, sizeof(hash));
	return result == STORE_OK ? tell(j, N_("password changed")) : fail(j, result);
}

static int disable(struct job *j)
{
	enum store_result result = store_set_disabled(j->store, j->name, true);

	return result == STORE_OK ? tell(j, N_("disabled")) : fail(j, result);
}

static int enable(struct job *j)
{
	enum store_result result = store_set_disabled(j->store, j->name, false);

	return result == STORE_OK ? tell(j, N_("enabled")) : fail(j, result);
}

static int remove_account(struct job *j)
{
	enum store_result result = store_remove(j->store, j->name);

	return result == STORE_OK ? tell(j, N_("removed")) : fail(j, result);
}

/*
 * Shows one account or all. The answer is made in memory first: a reader that is slow would keep the store's log from
 * being written back, and what failed half-way would be no JSON.
 */
static int show(struct job *j)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	enum store_result result = STORE_OK;
	int status;

	if (out && j->name[0])
		result = show_account(j->store, j->name, j->options->json, out);
	else if (out)
		result = show_all(j->store, j->options->json, out);
	if (!out || fflush(out) != 0 || ferror(out))
		status = report_fail(j->options->json, REPORT_FAILED,
		                     _("Cannot show the accounts: memory is out; free some."));
	else
		status = result == STORE_OK ? report_print(text, len) : fail(j, result);
	if (out)
		fclose(out);
	free(text);
	return status;
}

static const struct command {
	const char *word;
	bool wants_name;
	int (*run)(struct job *);
} commands[] = {
    {"add", true, add},       {"passwd", true, passwd},         {"disable", true, disable},
    {"enable", true, enable}, {"remove", true, remove_account}, {"list", false, show},
    {"show", true, show},
};

static const struct command *find_command(const char *word)
{
	for (size_t i = 0; i < array_size(commands); i++) {
		if (strcmp(commands[i].word, word) == 0)
			return &commands[i];
	}
	return NULL;
}

/* Where the accounts are, as store_open wants it; the caller's to free. */
static char *accounts_at(const struct options *o)
{
	char *folder, *where = NULL;

	if (o->accounts)
		return strdup(o->accounts);
	folder = program_state_dir(o->state);
	if (folder && asprintf(&where, "sqlite:%s/cli_info", folder) < 0)
		where = NULL;
	free(folder);
	return where;
}

static int run_on_store(int (*run)(struct job *), enum store_create create, struct job *j)
{
	char why[STORE_WHY_MAX];
	bool created = false, json = j->options->json;
	char *where = accounts_at(j->options);

	if (!where)
		return report_fail(json, REPORT_FAILED,
		                   _("Cannot tell where the accounts are: there is no home directory; give --state."));
	enum store_result result = store_open(&j->store, where, create, &created, why);
	if (created)
		program_say("echoctl", _("made a new file for the accounts, %s."),
		            strncmp(where, "sqlite:", 7) == 0 ? where + 7 : where);
	if (result == STORE_OK && store_was_upgraded(j->store))
		program_say("echoctl",
		            _("the accounts' file %s was of an older version: from now on older echods refuse it."),
		            strncmp(where, "sqlite:", 7) == 0 ? where + 7 : where);
	free(where);
	if (result != STORE_OK)
		return report_fail(json, REPORT_UNREACHABLE, "%s", why);
	int status = run(j);
	store_close(j->store);
	return status;
}

static int revoke(struct job *j)
{
	int64_t families = 0;
	enum store_result result = store_revoke(j->store, j->name, clock_wall_us(), &families);

	return result == STORE_OK ? report_revoked(j->options->json, j->name, families) : fail(j, result);
}

int user_revoke(const struct options *o, const char *name)
{
	struct job job = {.options = o};

	(void)text_copy(job.name, sizeof(job.name), name);
	return run_on_store(revoke, STORE_MUST_EXIST, &job);
}

int user_run(const struct options *o)
{
	struct job job = {.options = o};
	const struct command *command = o->words > 1 ? find_command(o->word[1]) : NULL;

	if (o->words < 2)
		return report_usage(
		    o->json,
		    _("What is to be done with the users? Say add, passwd, disable, enable, remove, list or show."));
	if (!command)
		return report_usage(o->json, _("There is no command 'user %.100s'."), o->word[1]);
	if (command->wants_name && o->words < 3)
		return report_usage(o->json, _("'user %s' wants the NAME of an account after it."), command->word);
	if (o->words > 2 + command->wants_name)
		return report_usage(o->json, _("'user %s' does not want the word '%.100s'."), command->word,
		                    o->word[2 + command->wants_name]);
	if (command->wants_name && name_normalise(o->word[2], strlen(o->word[2]), job.name))
		return report_usage(
		    o->json, _("'%.100s' is not a name: give 1 to 64 letters and digits of any script, and . _ - + @."),
		    o->word[2]);
	if (password_init())
		return report_fail(o->json, REPORT_FAILED,
		                   _("Cannot start libsodium: it found no source of random numbers."));
	return run_on_store(command->run, STORE_MAY_CREATE, &job);
}
