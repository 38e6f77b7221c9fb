/*
 * Words for people, in their language: gettext, whose catalogues lie in po/. Translated is what a person reads; log
 * keys, JSON and what goes over the wire never are. Numbers keep the decimal point (LC_NUMERIC stays "C"), so that what
 * a person copies is data.
 */
#ifndef BASE_WORDS_H
#define BASE_WORDS_H

#include <libintl.h>
#include <stdbool.h>
#include <stddef.h>

/* NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): gettext's own habit (its manual, 4.3) */
#define _(text)  gettext(text)
#define N_(text) text /* to be translated where it is used */

/*
 * To be called first in main. Takes LC_MESSAGES and LC_CTYPE of the environment; where the machine lacks that locale,
 * the language is taken all the same. Another language than English is spoken in UTF-8 only, for names of users are
 * UTF-8 and what is shown is escaped as such. Where the locale says nothing (C), names and widths are UTF-8's.
 */
void words_init(void);

/* From here on all is English: for what a log or JSON gets too, so that what is said and what is kept are the same. */
void words_stay_english(void);

/* Whether what is shown may hold characters beyond ASCII: false where the environment says C or POSIX. */
bool words_are_utf8(void);

/*
 * What an errno means, as a clause: strerror(3), and in the person's language also where libc has no catalogue. What
 * another library says of an error goes through _() as it is: words.c lists what a person may meet.
 */
const char *words_error(int err);

/* Columns that text takes on a terminal (wcwidth(3)); what is not well-formed counts a column a byte. */
size_t words_width(const char *text);

#endif
