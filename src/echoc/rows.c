#include "rows.h"

#include <wchar.h>
#include <wctype.h>

struct place {
	int row, column, columns;
};

/* Something of so many columns. What does not fit goes to the next row whole, and a full row ends at once. */
static void add(struct place *p, int width)
{
	if (p->column + width > p->columns) {
		p->row++;
		p->column = 0;
	}
	p->column += width;
	if (p->column == p->columns) {
		p->row++;
		p->column = 0;
	}
}

/* What is not printed as it is, is as ^A or as \U+0085, a column after the other. */
static void add_char(struct place *p, wchar_t c)
{
	int width = wcwidth(c), cells = 0;

	if (c == L'\t') {
		do
			add(p, 1);
		while (p->column % 8);
		return;
	}
	if (iswprint((wint_t)c)) {
		add(p, width > 0 ? width : 0);
		return;
	}
	if (c < 0x100 && iswcntrl((wint_t)c))
		cells = 2;
	else
		cells = c > 0xffff ? 8 : 7;
	while (cells-- > 0)
		add(p, 1);
}

/* The place behind the characters from the line's first to end. */
static struct place find(EditLine *el, int prompt_width, const wchar_t *end)
{
	struct place p = {.column = prompt_width, .columns = 80};

	(void)el_get(el, EL_GETTC, "co", &p.columns);
	for (const wchar_t *at = el_wline(el)->buffer; at < end; at++)
		add_char(&p, *at);
	return p;
}

static int screen_rows(EditLine *el)
{
	int rows = 24;

	(void)el_get(el, EL_GETTC, "li", &rows);
	return rows;
}

int rows_above_cursor(EditLine *el, int prompt_width)
{
	const LineInfoW *line = el_wline(el);
	struct place p = find(el, prompt_width, line->cursor);
	int rows = screen_rows(el);

	if (line->cursor < line->lastchar && p.column + wcwidth(*line->cursor) > p.columns)
		p.row++; /* the cursor stands on a wide character that has gone there */
	return p.row < rows ? p.row : rows - 1;
}

bool rows_are_many(EditLine *el, int prompt_width)
{
	return find(el, prompt_width, el_wline(el)->lastchar).row + 1 >= screen_rows(el);
}
