#include "chart.h"

#include "words.h"

#define LEAST_SCALE_NS 10000 /* finer than a wake-up of a process (measured): nothing but noise would be seen */

void chart_add(struct chart *c, enum chart_kind kind, uint64_t ns)
{
	c->ring[c->count % CHART_SAMPLES].kind = kind;
	c->ring[c->count++ % CHART_SAMPLES].ns = kind == CHART_GONE ? 0 : ns;
}

static unsigned samples_a_column(const struct chart_look *look)
{
	return look->braille ? 2 : 1;
}

/* Columns that bars stand in. */
static unsigned bar_columns(const struct chart_look *look)
{
	unsigned columns = look->columns > CHART_LABEL ? look->columns - CHART_LABEL : 1;
	unsigned most = CHART_SAMPLES / 2;

	return columns < most ? columns : most;
}

/* The oldest that is shown. It moves by whole columns, so that no bar changes its place within one. */
static uint64_t first_shown(const struct chart *c, const struct chart_look *look)
{
	unsigned each = samples_a_column(look);
	uint64_t shown = (uint64_t)bar_columns(look) * each;

	return c->count > shown ? (c->count - shown + each - 1) / each * each : 0;
}

uint64_t chart_scale_ns(const struct chart *c, const struct chart_look *look)
{
	uint64_t max = LEAST_SCALE_NS, scale = LEAST_SCALE_NS;

	for (uint64_t i = first_shown(c, look); i < c->count; i++) {
		uint64_t ns = c->ring[i % CHART_SAMPLES].ns;
		max = ns > max ? ns : max;
	}
	while (scale * 10 < max)
		scale *= 10;
	if (scale < max)
		scale = scale * 2 >= max ? scale * 2 : scale * 5 >= max ? scale * 5 : scale * 10;
	return scale;
}

/* The scale at the left: its upper end, half of it, and nothing beside the other rows. */
static void put_label(const struct chart_look *look, uint64_t scale_ns, unsigned row, FILE *f)
{
	const char *line = look->braille ? "\u2502" : "|";
	double ns = row == 0 ? (double)scale_ns : (double)scale_ns / 2, unit = ns < 1e6 ? 1e3 : ns < 1e9 ? 1e6 : 1e9;
	const char *name = ns < 1e6 ? _("us") : ns < 1e9 ? _("ms") : _("s");
	int digits = CHART_LABEL - 2 - (int)words_width(name);

	if (row == 0 || (look->rows % 2 == 0 && row == look->rows / 2))
		fprintf(f, "%*.3g %s%s", digits, ns / unit, name, line);
	else
		fprintf(f, "%8s%s", "", line);
}

/* How many of a bar's dots there are in all, of which each row shows its part: a bar that is there has one at least. */
static unsigned height(const struct chart *c, uint64_t i, uint64_t scale_ns, unsigned dots)
{
	uint64_t ns = c->ring[i % CHART_SAMPLES].ns;

	if (i >= c->count || c->ring[i % CHART_SAMPLES].kind == CHART_GONE)
		return 0;
	uint64_t n = (ns * dots + scale_ns - 1) / scale_ns;
	return n == 0 ? 1 : n < dots ? (unsigned)n : dots;
}

/* Of a bar of so many dots, those within the part that begins at dot from and has so many. */
static unsigned part(unsigned dots, unsigned from, unsigned most)
{
	if (dots <= from)
		return 0;
	return dots - from < most ? dots - from : most;
}

/* Two bars of up to four dots each (Unicode's Braille Patterns, U+2800 and on). */
static void put_braille(unsigned left, unsigned right, FILE *f)
{
	static const unsigned lefts[] = {0, 0x40, 0x44, 0x46, 0x47}, rights[] = {0, 0x80, 0xa0, 0xb0, 0xb8};
	unsigned bits = lefts[left] | rights[right];

	if (bits == 0)
		fputc(' ', f);
	else
		fprintf(f, "\xe2%c%c", (int)(0xa0 | bits >> 6), (int)(0x80 | (bits & 0x3f)));
}

static void put_bars(const struct chart *c, const struct chart_look *look, unsigned row, FILE *f)
{
	uint64_t scale = chart_scale_ns(c, look), i = first_shown(c, look);
	unsigned each = look->braille ? 4 : 2, dots = look->rows * each, from = (look->rows - 1 - row) * each;

	put_label(look, scale, row, f);
	for (; i < c->count; i += samples_a_column(look)) {
		unsigned one = part(height(c, i, scale, dots), from, each);
		if (look->braille)
			put_braille(one, part(height(c, i + 1, scale, dots), from, each), f);
		else
			fputc(" .:"[one], f);
	}
}

/* The worst of what stands in a column. */
static enum chart_kind worst(const struct chart *c, const struct chart_look *look, uint64_t i)
{
	enum chart_kind kind = CHART_ECHOED;

	for (uint64_t end = i + samples_a_column(look); i < end && i < c->count; i++)
		kind = c->ring[i % CHART_SAMPLES].kind > kind ? c->ring[i % CHART_SAMPLES].kind : kind;
	return kind;
}

static void put_axis(const struct chart *c, const struct chart_look *look, FILE *f)
{
	uint64_t i = first_shown(c, look);

	fprintf(f, "%8s%s", "0   ", look->braille ? "\u2514" : "+");
	for (unsigned column = 0; column < bar_columns(look); column++) {
		switch (worst(c, look, i)) {
		case CHART_ECHOED: fputs(look->braille ? "\u2500" : "-", f); break;
		case CHART_LATE: fputc('~', f); break;
		case CHART_GONE: fputc('x', f); break;
		}
		i += samples_a_column(look);
	}
}

void chart_put_row(const struct chart *c, const struct chart_look *look, unsigned row, FILE *f)
{
	if (row < look->rows)
		put_bars(c, look, row, f);
	else
		put_axis(c, look, f);
}
