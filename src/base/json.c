#include "json.h"

#include <math.h>
#include <string.h>

#include "clock.h"
#include "text.h"

/* Whether a terminal does something else with c than show it: what text_escape_utf8 leaves out. */
static bool is_escaped(unsigned c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || (c >= 0x200e && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
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
		else if (c == '"' || c == '\\')
			fprintf(out, "\\%c", (int)c);
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

/* What stands before a value. */
static void begin_value(struct json *j, const char *key)
{
	if (j->follows)
		fputs(", ", j->f);
	if (key)
		fprintf(j->f, "\"%s\": ", key);
	j->follows = true;
}

void json_begin(struct json *j, FILE *f)
{
	*j = (struct json){.f = f};
	fputc('{', f);
}

void json_end(struct json *j)
{
	fputs("}\n", j->f);
	j->follows = false;
}

void json_open(struct json *j, const char *key)
{
	begin_value(j, key);
	fputc('{', j->f);
	j->follows = false;
}

void json_close(struct json *j)
{
	fputc('}', j->f);
	j->follows = true;
}

void json_open_list(struct json *j, const char *key)
{
	begin_value(j, key);
	fputc('[', j->f);
	j->follows = false;
}

void json_close_list(struct json *j)
{
	fputc(']', j->f);
	j->follows = true;
}

void json_null(struct json *j, const char *key)
{
	begin_value(j, key);
	fputs("null", j->f);
}

void json_text(struct json *j, const char *key, const char *text)
{
	if (!text) {
		json_null(j, key);
		return;
	}
	begin_value(j, key);
	json_string(j->f, text);
}

void json_count(struct json *j, const char *key, uint64_t n)
{
	begin_value(j, key);
	fprintf(j->f, "%llu", (unsigned long long)n);
}

void json_count_or_null(struct json *j, const char *key, bool known, uint64_t n)
{
	if (known)
		json_count(j, key, n);
	else
		json_null(j, key);
}

void json_integer(struct json *j, const char *key, int64_t n)
{
	begin_value(j, key);
	fprintf(j->f, "%lld", (long long)n);
}

void json_real(struct json *j, const char *key, double x)
{
	if (!isfinite(x)) {
		json_null(j, key);
		return;
	}
	begin_value(j, key);
	fprintf(j->f, "%.6f", x);
}

void json_bool(struct json *j, const char *key, bool yes)
{
	begin_value(j, key);
	fputs(yes ? "true" : "false", j->f);
}

void json_wall(struct json *j, const char *key, int64_t wall_us)
{
	begin_value(j, key);
	json_time(j->f, wall_us);
}
