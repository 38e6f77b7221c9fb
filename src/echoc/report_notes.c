#include "report_notes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void report_notes_add(struct report_notes *n, const char *fmt, ...)
{
	va_list args;

	if (n->count == REPORT_NOTES_MAX)
		return;
	va_start(args, fmt);
	if (vasprintf(&n->text[n->count], fmt, args) >= 0)
		n->count++;
	va_end(args);
}

void report_notes_fini(struct report_notes *n)
{
	for (size_t i = 0; i < n->count; i++)
		free(n->text[i]);
	n->count = 0;
}
