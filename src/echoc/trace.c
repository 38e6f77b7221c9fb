#include "trace.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "text.h"
#include "wire.h"
#include "words.h"

#define SHOWN_BYTES 48 /* of a piece */

static const char *who(enum trace_way way)
{
	return way == TRACE_SENT ? "C" : "S";
}

size_t trace_secret_at(const char *line, size_t len)
{
	static const char *const before[] = {"PASS ", "RESUME ", "230-TOKEN ", "230 TOKEN "};

	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		size_t n = strlen(before[i]);
		if (len > n && strncasecmp(line, before[i], n) == 0)
			return n;
	}
	return len;
}

void trace_line(FILE *to, enum trace_way way, const char *line, size_t len)
{
	char shown[WIRE_LINE_MAX * 4 + 1];
	size_t open = trace_secret_at(line, len);

	text_escape_utf8(shown, sizeof(shown), line, open);
	fprintf(to, "%s: %s%s\n", who(way), shown, open < len ? "********" : "");
}

void trace_bytes(FILE *to, enum trace_way way, const void *data, size_t len)
{
	char shown[SHOWN_BYTES * 4 + 1];
	size_t n = len < SHOWN_BYTES ? len : SHOWN_BYTES;

	text_escape_utf8(shown, sizeof(shown), data, n);
	fprintf(to, ngettext("%s: %zu byte: %s%s\n", "%s: %zu bytes: %s%s\n", len), who(way), len, shown,
	        n < len ? "..." : "");
}

void trace_note(FILE *to, enum trace_way way, const char *what)
{
	fprintf(to, "%s: %s\n", who(way), what);
}
