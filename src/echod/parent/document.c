#include "document.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

#define SENTENCE_MAX 1024

struct document document_error(enum document_status status, const char *fmt, ...)
{
	char sentence[SENTENCE_MAX];
	struct document d = {.text = NULL};
	va_list args;
	FILE *f = open_memstream(&d.text, &d.len);

	if (!f)
		return (struct document){.text = NULL};
	va_start(args, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, args);
	va_end(args);
	fputs("{\"error\": ", f);
	json_string(f, sentence);
	fprintf(f, ", \"status\": %d}\n", (int)status);
	if (fclose(f) == 0)
		return d;
	free(d.text);
	return (struct document){.text = NULL};
}

struct document document_print(const char *fmt, ...)
{
	struct document d = {.text = NULL};
	char *line = NULL;
	va_list args;

	va_start(args, fmt);
	int len = vasprintf(&line, fmt, args);
	va_end(args);
	if (len < 0)
		return d;
	int whole = asprintf(&d.text, "%s\n", line);
	free(line);
	if (whole < 0)
		return (struct document){.text = NULL};
	d.len = (size_t)whole;
	return d;
}
