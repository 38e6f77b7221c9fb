#include "report_chart.h"

#include <math.h>

#include "report_markup.h"
#include "words.h"

#define HEIGHT 300
#define LEFT   64
#define RIGHT  24
#define TOP    30
#define BOTTOM 50
#define SEEN   0.2 /* pixels: a step that is smaller in both directions is not seen */

void report_chart_begin(struct report_chart *c, FILE *f, int width, const struct report_axis *x,
                        const struct report_axis *y, const char *title, const char *description)
{
	*c = (struct report_chart){f, *x, *y, LEFT, width - RIGHT, TOP, HEIGHT - BOTTOM};
	c->x.from = c->x1;
	c->x.to = c->x2;
	c->y.from = c->y2;
	c->y.to = c->y1;
	fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 %d %d\" class=\"w%d\">\n",
	        width, HEIGHT, width);
	report_markup_element(f, "title", NULL, title);
	report_markup_element(f, "desc", NULL, description);
	fputc('\n', f);
}

void report_chart_grid(const struct report_chart *c, report_chart_label *of_x, report_chart_label *of_y,
                       const char *x_name, const char *y_name)
{
	char text[REPORT_WORD_MAX];

	for (size_t i = 0; i < c->y.ticks; i++) {
		double y = report_axis_at(&c->y, c->y.tick[i]);
		report_markup_line(c->f, "grid", c->x1, y, c->x2, y);
		of_y(text, &c->y, c->y.tick[i]);
		report_markup_label(c->f, "tick", "end", c->x1 - 8, y + 4, text);
	}
	for (size_t i = 0; i < c->x.ticks; i++) {
		double x = report_axis_at(&c->x, c->x.tick[i]);
		report_markup_line(c->f, "grid", x, c->y1, x, c->y2);
		of_x(text, &c->x, c->x.tick[i]);
		report_markup_label(c->f, "tick", "middle", x, c->y2 + 18, text);
	}
	report_markup_line(c->f, "base", c->x1, c->y2, c->x2, c->y2);
	report_markup_label(c->f, "axis", "end", c->x2, c->y2 + 38, x_name);
	report_markup_label(c->f, "axis", "start", 4, c->y1 - 14, y_name);
}

void report_chart_end(const struct report_chart *c)
{
	fputs("</svg>\n", c->f);
}

void report_chart_label_time(char text[REPORT_WORD_MAX], const struct report_axis *a, double ns)
{
	report_words_tick(text, ns, a->is_log ? ns : a->high); /* one unit for all ticks of a linear axis */
}

void report_pen_begin(struct report_pen *p, FILE *f, const char *class, size_t run)
{
	*p = (struct report_pen){.f = f};
	fprintf(f, "<path class=\"%s c%zu d%zu\" d=\"", class, run % REPORT_COLOURS, run % REPORT_DASHES);
}

void report_pen_to(struct report_pen *p, double x, double y)
{
	if (p->down && fabs(x - p->x) < SEEN && fabs(y - p->y) < SEEN)
		return;
	fprintf(p->f, "%c%.1f %.1f", p->down ? 'L' : 'M', x, y);
	p->down = true;
	p->x = x;
	p->y = y;
}

void report_pen_up(struct report_pen *p)
{
	p->down = false;
}

void report_pen_end(struct report_pen *p)
{
	fputs("\"/>\n", p->f);
}
