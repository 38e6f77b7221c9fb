/* How a report writes numbers and names for a person. */
#ifndef ECHOC_REPORT_WORDS_H
#define ECHOC_REPORT_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "report_numbers.h"
#include "report_run.h"

#define REPORT_WORD_MAX 64
#define REPORT_NAME_MAX 512

/* A duration with its unit in three digits, as `1.24 ms`. utf8: characters beyond ASCII may stand in it. */
void report_words_time(char text[REPORT_WORD_MAX], double ns, bool utf8);
/* The same for the tick of an axis, with the digits that it needs, in the unit that like_ns would be told in. */
void report_words_tick(char text[REPORT_WORD_MAX], double ns, double like_ns);
/* A time of the run in the unit that step_s is told in, as `90 s` or `5 min`. */
void report_words_moment(char text[REPORT_WORD_MAX], double at_s, double step_s);
/* A number of the table; a dash where it is NAN. */
void report_words_number(char text[REPORT_WORD_MAX], double number, enum report_unit, bool utf8);
/* The file's name without its folders, fit to be shown. */
void report_words_file(char text[REPORT_NAME_MAX], const struct run *);
/* The options as `interval_s 1, count 20`, without those that are null; fit to be shown. */
void report_words_options(char text[REPORT_NAME_MAX], const struct run *);
/* `ping` or `load`, with its kind of loop. */
const char *report_words_kind(const struct run *);
/* What a mark is. */
const char *report_words_mark(enum report_mark_kind);
/* The text of the run at a path, fit to be shown; a dash where there is none. */
void report_words_text(char text[REPORT_NAME_MAX], const struct run *, const char *path, bool utf8);
/* When it was started, to the second. */
void report_words_started(char text[REPORT_NAME_MAX], const struct run *, bool utf8);
/* Which program measured it, on which machine, by which clock. */
void report_words_origin(char text[REPORT_NAME_MAX], const struct run *, bool utf8);
/* What an axis is, with what is to be known of it. */
void report_words_axis(char text[REPORT_NAME_MAX], const char *name, bool is_log);
/* A mark from its begin to its end; and how many more there are. */
void report_words_span(char text[REPORT_NAME_MAX], const struct report_mark *);
void report_words_more(char text[REPORT_NAME_MAX], size_t n);

#endif
