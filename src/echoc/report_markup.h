/* HTML and SVG, written piece by piece; numbers in them have one digit behind the point. */
#ifndef ECHOC_REPORT_MARKUP_H
#define ECHOC_REPORT_MARKUP_H

#include <stdio.h>

#include "must.h"

/*
 * Text, also within the quotes of an attribute. All that is not the program's own markup passes here: nothing of it is
 * markup afterwards, and what is not UTF-8, or would change a line's direction, becomes U+FFFD.
 */
void report_markup_text(FILE *, const char *text);
/* The same, made as printf(3) does. */
void report_markup_print(FILE *, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* <name class="class">text</name>; class may be NULL. */
void report_markup_element(FILE *, const char *name, const char *class, const char *text);

/* SVG */

void report_markup_line(FILE *, const char *class, double x1, double y1, double x2, double y2);
/* anchor: start, middle or end. */
void report_markup_label(FILE *, const char *class, const char *anchor, double x, double y, const char *text);

#endif
