/*
 * What a server says when it lets in, in the person's language. On the wire it is English and does not change
 * (echo-login(7)), so what is known is put into other words; what is not is left as it is.
 */
#ifndef ECHOC_REPLY_WORDS_H
#define ECHOC_REPLY_WORDS_H

/* Prints text, a line of a 230 reply without its code, fit to show, on standard output, with a line's end. */
void reply_words_print(const char *text);

#endif
