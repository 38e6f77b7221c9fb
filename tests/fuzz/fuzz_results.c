/*
 * The files that a report is made of: any bytes are read, and shown in each form. Nothing of them is markup, moves a
 * cursor or turns a line; the JSON is JSON; and no number is none.
 */
#include "fuzz.h"

#include <jansson.h>
#include <sys/mman.h>
#include <unistd.h>

#include "report_hgrm.h"
#include "report_html.h"
#include "report_json.h"
#include "report_lines.h"
#include "report_read.h"
#include "report_text.h"
#include "text.h"

/* What is said on standard error is in the notes, too. */
void __wrap_program_say(const char *name, const char *fmt, ...);
void __wrap_program_say(const char *name, const char *fmt, ...)
{
	CHECK(strcmp(name, "echoc") == 0 && *fmt);
}

/* Documents are stretches of the file, in their order, and nothing but blank lines is between them. */
static FUZZ_PLAIN void check_lines(const char *file, const uint8_t *data, size_t len)
{
	struct report_lines lines;
	enum report_lines_result result;
	const char *text;
	size_t n, at = 0;

	CHECK(report_lines_open(&lines, file) == 0);
	do {
		result = report_lines_next(&lines, &text, &n);
		CHECK(result != REPORT_LINES_FAILED && result != REPORT_LINES_TOO_LONG);
		if (result == REPORT_LINES_END)
			break;
		while (at < len && (at + n > len || memcmp(data + at, text, n) != 0))
			CHECK(memchr(" \t\r\n", data[at++], 4));
		CHECK(n > 0 && at + n <= len);
		at += n;
	} while (result == REPORT_LINES_ONE);
	for (; at < len; at++)
		CHECK(memchr(" \t\r\n", data[at], 4));
	report_lines_close(&lines);
}

/* Every line of it is as it would be if it were escaped. */
static FUZZ_PLAIN void check_clean(const char *text, size_t len)
{
	for (size_t i = 0, n; i < len; i += n) {
		unsigned c = 0;
		n = text_utf8_char(text + i, len - i, &c);
		CHECK(n > 0 && (c >= 0x20 || c == '\n') && !(c >= 0x7f && c < 0xa0));
		CHECK(!(c >= 0x202a && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069));
	}
}

/* Tags follow one another as in XML: each that is opened is closed, and none is within another's. */
static FUZZ_PLAIN void check_markup(const char *text)
{
	size_t depth = 0;

	for (const char *at = strchr(text, '<'); at; at = strchr(at, '<')) {
		const char *end = strchr(at, '>');
		CHECK(end && !memchr(at + 1, '<', (size_t)(end - at - 1)));
		CHECK(strncmp(at, "<script", 7) != 0 && strncmp(at, "<img", 4) != 0);
		if (at[1] == '/')
			CHECK(depth-- > 0);
		else if (at[1] != '!' && end[-1] != '/')
			depth++;
		at = end;
	}
	CHECK(depth == 0 && !strstr(text, "=\"nan") && !strstr(text, "=\"-nan") && !strstr(text, "=\"inf"));
}

enum form { TEXT, HTML, JSON, HGRM, FORMS };

static void check_form(const struct report_set *set, enum form form)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		abort();
	switch (form) {
	case TEXT: report_text(f, set); break;
	case HTML: report_html(f, set); break;
	case JSON: report_json(f, set, STATUS_FINE); break;
	case HGRM: report_hgrm(f, set->runs[0]); break;
	case FORMS: break;
	}
	CHECK(fclose(f) == 0 && len > 0 && strlen(text) == len);
	check_clean(text, len);
	if (form == HTML)
		check_markup(text);
	if (form == JSON) {
		json_t *document = json_loads(text, 0, NULL);
		CHECK(document);
		json_decref(document);
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct report_set set = {0};
	char file[64];
	int fd = memfd_create("results", MFD_CLOEXEC);

	CHECK(fd >= 0 && write(fd, data, len) == (ssize_t)len);
	snprintf(file, sizeof(file), "/proc/self/fd/%d", fd);
	check_lines(file, data, len);
	enum status status = report_read(&set, file);
	CHECK(status == STATUS_FINE || set.errors.count > 0);
	for (enum form form = TEXT; form < FORMS && set.count > 0; form++)
		check_form(&set, form);
	report_read_fini(&set);
	close(fd);
	return 0;
}
