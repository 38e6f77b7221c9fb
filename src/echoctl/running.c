#include "running.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "name.h"
#include "number.h"
#include "report.h"
#include "server.h"
#include "user.h"
#include "words.h"

/* One run of one command. */
struct job {
	const struct options *options;
	char name[NAME_BYTES_MAX + 1]; /* normalised; empty but for revoke */
};

/* Shows a whole document as lines for a person. */
static int show_lines(const struct job *j, char *answer, size_t len)
{
	char *text = NULL;
	size_t text_len = 0;
	FILE *out = open_memstream(&text, &text_len);
	int status;

	if (!out || answer_show(out, answer, len) || fflush(out) != 0)
		status = report_fail(j->options->json, REPORT_FAILED,
		                     _("Cannot show what the server answered: memory is out; free some."));
	else
		status = report_print(text, text_len);
	if (out)
		fclose(out);
	free(text);
	return status;
}

static int show_revoked(const struct job *j, char *answer, size_t len)
{
	char text[24];
	uint64_t count = 0;

	if (!answer_member(answer, len, "revoked", text, sizeof(text)) || number_parse(text, 0, INT64_MAX, &count))
		return show_lines(j, answer, len);
	return report_revoked(false, j->name, (int64_t)count);
}

static const struct command {
	const char *word, *second; /* second: NULL where none is wanted */
	bool wants_name;
	int (*show)(const struct job *, char *answer, size_t len);
} commands[] = {
    {"status", NULL, false, show_lines},    {"drain", NULL, false, show_lines},
    {"reload", NULL, false, show_lines},    {"revoke", NULL, true, show_revoked},
    {"penalties", NULL, false, show_lines}, {"penalties", "clear", false, show_lines},
};

static bool has_words(const struct command *c, const struct options *o)
{
	if (c->second)
		return o->words == 2 && strcmp(o->word[1], c->second) == 0;
	return o->words == 1 + c->wants_name;
}

/* The command that has exactly these words, or NULL. */
static const struct command *find_command(const struct options *o)
{
	for (size_t i = 0; i < array_size(commands); i++) {
		if (strcmp(commands[i].word, o->word[0]) == 0 && has_words(&commands[i], o))
			return &commands[i];
	}
	return NULL;
}

bool running_is_meant(const struct options *o)
{
	for (size_t i = 0; i < array_size(commands); i++) {
		if (strcmp(commands[i].word, o->word[0]) == 0)
			return true;
	}
	return false;
}

/* The server's own sentence, with the exit status that it stands for. */
static int show_error(const struct job *j, const char *sentence, char *answer, size_t len)
{
	uint64_t status = REPORT_FAILED;
	char text[24];

	if (answer_member(answer, len, "status", text, sizeof(text)) &&
	    number_parse(text, REPORT_FAILED, REPORT_ACCOUNT, &status))
		status = REPORT_FAILED;
	return report_fail(j->options->json, (int)status, "%s", sentence);
}

/* The answer is untrusted: it is read whole before any of it is shown. */
static int take_answer(const struct command *command, const struct job *j, char *answer, size_t len)
{
	bool json = j->options->json;
	char sentence[1024];
	char *copy = malloc(len + 1); /* reading overwrites */

	if (!copy)
		return report_fail(json, REPORT_FAILED,
		                   _("Cannot read the server's answer: memory is out; free some."));
	memcpy(copy, answer, len);
	int status;
	if (answer_show(NULL, copy, len))
		status = report_fail(
		    json, REPORT_FAILED,
		    _("Cannot read what the server answered to '%s': it is no JSON document; see that echod "
		      "and echoctl are of one version."),
		    command->word);
	else if (answer_member(answer, len, "error", sentence, sizeof(sentence)))
		status = show_error(j, sentence, answer, len);
	else
		status = json ? report_print(answer, len) : command->show(j, answer, len);
	free(copy);
	return status;
}

static int ask(const struct command *command, const struct job *j, int fd, const char *folder)
{
	char line[NAME_BYTES_MAX + 64], *answer;
	const char *more = command->second ? command->second : j->name;

	snprintf(line, sizeof(line), "%s%s%s\n", command->word, *more ? " " : "", more);
	ssize_t len = server_ask(fd, line, &answer);
	if (len < 0)
		return report_fail(
		    j->options->json, REPORT_UNREACHABLE,
		    _("The server in %.300s did not answer to '%s': %s; try again, or look into its log."), folder,
		    command->word, words_error((int)-len));
	int status = take_answer(command, j, answer, (size_t)len);
	free(answer);
	return status;
}

static int run(const struct command *command, const struct job *j)
{
	char *folder = server_folder(j->options);

	if (!folder)
		return report_fail(
		    j->options->json, REPORT_FAILED,
		    _("Cannot tell where the server keeps its state: there is no home directory; give --state."));
	int status, fd = server_dial(folder);
	if (fd < 0 && command->wants_name) /* an account's business needs no server */
		status = user_revoke(j->options, j->name);
	else if (fd < 0)
		status = report_fail(j->options->json, REPORT_UNREACHABLE,
		                     _("No running server answers in %.300s (%s); start echod, or name its state "
		                       "directory with --state."),
		                     folder, words_error(-fd));
	else
		status = ask(command, j, fd, folder);
	if (fd >= 0)
		close(fd);
	free(folder);
	return status;
}

/* Says what is wrong with the words. */
static int refuse(const struct options *o)
{
	if (strcmp(o->word[0], "revoke") == 0 && o->words == 1)
		return report_usage(o->json, _("'revoke' wants the NAME of an account after it."));
	return report_usage(o->json, _("'%s' does not want the word '%.100s'."), o->word[0],
	                    o->word[strcmp(o->word[0], "revoke") == 0 ? 2 : 1]);
}

int running_run(const struct options *o)
{
	struct job job = {.options = o};
	const struct command *command = find_command(o);

	if (!command)
		return refuse(o);
	if (command->wants_name && name_normalise(o->word[1], strlen(o->word[1]), job.name))
		return report_usage(
		    o->json, _("'%.100s' is not a name: give 1 to 64 letters and digits of any script, and . _ - + @."),
		    o->word[1]);
	return run(command, &job);
}
