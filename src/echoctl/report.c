#include "report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "program.h"
#include "text.h"
#include "words.h"

#define SENTENCE_MAX 2048

/* What a person gave is in the sentence, so it is made fit for a terminal as a whole. */
static void say(bool json, int status, const char *fmt, va_list args)
{
	char sentence[SENTENCE_MAX], shown[SENTENCE_MAX * 4];

	vsnprintf(sentence, sizeof(sentence), fmt, args);
	if (json) {
		fputs("{\"error\": ", stdout);
		json_string(stdout, sentence);
		fprintf(stdout, ", \"status\": %d}\n", status);
		fflush(stdout);
	} else {
		text_escape_utf8(shown, sizeof(shown), sentence, strlen(sentence));
		fprintf(stderr, "echoctl: %s\n", shown);
	}
}

int report_fail(bool json, int status, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(json, status, fmt, args);
	va_end(args);
	return status;
}

int report_usage(bool json, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(json, REPORT_USAGE, fmt, args);
	va_end(args);
	if (!json)
		fprintf(stderr, _("Try '%s --help'.\n"), "echoctl");
	return REPORT_USAGE;
}

int report_print(const char *text, size_t len)
{
	errno = 0;
	if (fwrite(text, 1, len, stdout) == len && fflush(stdout) == 0)
		return REPORT_DONE;
	program_say("echoctl", _("Cannot write the answer on standard output: %s; it is incomplete."),
	            words_error(errno));
	return REPORT_FAILED;
}

int report_revoked(bool json, const char *name, int64_t count)
{
	char text[SENTENCE_MAX * 4], shown[SENTENCE_MAX];
	int len;

	text_escape_utf8(shown, sizeof(shown), name, strlen(name));
	if (json)
		len = snprintf(text, sizeof(text), "{\"revoked\": %lld}\n", (long long)count);
	else
		len = snprintf(text, sizeof(text),
		               ngettext("%s: %lld token revoked\n", "%s: %lld tokens revoked\n", (unsigned long)count),
		               shown, (long long)count);
	return report_print(text, (size_t)len);
}
