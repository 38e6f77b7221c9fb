#include "table.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "clock.h"
#include "text.h"
#include "words.h"

#define CELL_MAX (4 * NAME_BYTES_MAX + 1) /* each byte escaped */

enum column { NAME, CREATED, LAST_LOGIN, FROM, LOGINS, FAILURES, STATE };
static_assert(STATE + 1 == TABLE_COLUMNS, "as many as the header says");

static const char *const heading[TABLE_COLUMNS] = {N_("NAME"),   N_("CREATED"),  N_("LAST LOGIN"), N_("FROM"),
                                                   N_("LOGINS"), N_("FAILURES"), N_("STATE")};

static void write_padding(FILE *out, int columns)
{
	fprintf(out, "%*s", columns > 0 ? columns : 0, "");
}

static void put(struct table *t, enum column column, const char *cell)
{
	int width = (int)words_width(cell);

	if (!t->out) {
		if (width > t->width[column])
			t->width[column] = width;
		return;
	}
	if (column == LOGINS || column == FAILURES)
		write_padding(t->out, t->width[column] - width);
	fputs(cell, t->out);
	if (column == STATE) {
		fputc('\n', t->out);
		return;
	}
	if (column != LOGINS && column != FAILURES)
		write_padding(t->out, t->width[column] - width);
	fputs("  ", t->out);
}

static void put_heading(struct table *t)
{
	for (enum column c = NAME; c <= STATE; c++)
		put(t, c, _(heading[c]));
}

static void put_text(struct table *t, enum column column, const char *text)
{
	char cell[CELL_MAX];

	text_escape_utf8(cell, sizeof(cell), text, strlen(text));
	put(t, column, cell);
}

static void put_time(struct table *t, enum column column, int64_t wall_us)
{
	char cell[CLOCK_TEXT_MAX];

	clock_format_s(cell, wall_us);
	put(t, column, wall_us ? cell : _("never"));
}

static void put_number(struct table *t, enum column column, int64_t n)
{
	char cell[24];

	snprintf(cell, sizeof(cell), "%" PRId64, n);
	put(t, column, cell);
}

void table_init(struct table *t)
{
	*t = (struct table){.out = NULL};
	put_heading(t);
}

void table_begin(struct table *t, FILE *out)
{
	t->out = out;
	t->rows = 0;
	put_heading(t);
}

void table_row(struct table *t, const struct account *a)
{
	t->rows++;
	put_text(t, NAME, a->name);
	put_time(t, CREATED, a->created_us);
	put_time(t, LAST_LOGIN, a->last_login_us);
	put_text(t, FROM, a->last_address[0] ? a->last_address : "-");
	put_number(t, LOGINS, a->logins);
	put_number(t, FAILURES, a->failures);
	put(t, STATE, a->disabled ? _("disabled") : _("enabled"));
}
