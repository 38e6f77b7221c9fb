#include "report_markup.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

/* Whether a page may hold it as it is: HTML has no controls but white space, and bidirectional ones reorder a line. */
static bool is_harmless(unsigned c)
{
	if (c < 0x20)
		return c == '\n' || c == '\t';
	return !(c >= 0x7f && c < 0xa0) && c != 0x61c && c != 0x200e && c != 0x200f && !(c >= 0x2028 && c <= 0x202e) &&
	       !(c >= 0x2066 && c <= 0x2069) && (c & 0xfffe) != 0xfffe;
}

static const char *entity_of(unsigned c)
{
	switch (c) {
	case '<': return "&lt;";
	case '>': return "&gt;";
	case '&': return "&amp;";
	case '"': return "&quot;";
	case '\'': return "&#39;";
	default: return NULL;
	}
}

void report_markup_text(FILE *f, const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len;) {
		unsigned c = 0;
		size_t used = text_utf8_char(text + i, len - i, &c);
		const char *entity = entity_of(c);
		if (used == 0 || !is_harmless(c))
			fputs("\xef\xbf\xbd", f);
		else if (entity)
			fputs(entity, f);
		else
			fwrite(text + i, 1, used, f);
		i += used ? used : 1;
	}
}

void report_markup_print(FILE *f, const char *fmt, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, fmt);
	int len = vasprintf(&text, fmt, args);
	va_end(args);
	if (len < 0)
		return;
	report_markup_text(f, text);
	free(text);
}

void report_markup_element(FILE *f, const char *name, const char *class, const char *text)
{
	fprintf(f, "<%s", name);
	if (class)
		fprintf(f, " class=\"%s\"", class);
	fputc('>', f);
	report_markup_text(f, text);
	fprintf(f, "</%s>", name);
}

void report_markup_line(FILE *f, const char *class, double x1, double y1, double x2, double y2)
{
	fprintf(f, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class, x1, y1, x2, y2);
}

void report_markup_label(FILE *f, const char *class, const char *anchor, double x, double y, const char *text)
{
	fprintf(f, "<text class=\"%s\" text-anchor=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, anchor, x, y);
	report_markup_text(f, text);
	fputs("</text>\n", f);
}
