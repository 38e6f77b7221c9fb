#include "json.h"

#include <string.h>

#include "clock.h"
#include "text.h"

/* Whether a terminal does something else with c than show it: what text_escape_utf8 leaves out, and the quotes of JSON.
 */
static bool is_escaped(unsigned c)
{
	return c < 0x20 || c == '"' || c == '\\' || (c >= 0x7f && c < 0xa0) || c == 0x61c ||
	       (c >= 0x200e && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

void json_string(FILE *out, const char *text)
{
	size_t len = strlen(text);

	fputc('"', out);
	for (size_t i = 0; i < len;) {
		unsigned c = 0xfffd;
		size_t used = text_utf8_char(text + i, len - i, &c);
		if (used == 0 || is_escaped(c))
			fprintf(out, "\\u%04x", used ? c : 0xfffdu);
		else
			fwrite(text + i, 1, used, out);
		i += used ? used : 1;
	}
	fputc('"', out);
}

void json_time(FILE *out, int64_t wall_us)
{
	char text[CLOCK_TEXT_MAX];

	if (wall_us == 0) {
		fputs("null", out);
		return;
	}
	clock_format(text, wall_us);
	fprintf(out, "\"%s\"", text);
}
