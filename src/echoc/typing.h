/*
 * What a terminal sends while a line is edited, taken apart: characters, and what was pasted, which terminals bracket
 * (DEC private mode 2004 of xterm's ctlseqs: ESC[200~ before it, ESC[201~ behind it). Bytes in, events out.
 */
#ifndef ECHOC_TYPING_H
#define ECHOC_TYPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wchar.h>

#define TYPING_PASTE_ON  "\033[?2004h" /* what makes a terminal do so, and leave it */
#define TYPING_PASTE_OFF "\033[?2004l"

#define TYPING_READ      4096
#define TYPING_PASTE_MAX 65536 /* bytes of a pasted piece */

enum typing_event {
	TYPING_MORE,  /* there is nothing whole: bytes are wanted */
	TYPING_CHAR,  /* a character */
	TYPING_TEXT,  /* pasted without a line's end: belongs into the line */
	TYPING_BLOCK, /* pasted, and to be taken as it is: it has a line's end, or is a piece of something long */
};

struct typing {
	uint8_t bytes[TYPING_READ];
	size_t at, len; /* of bytes: those from at to len have not been looked at */
	bool pasting;   /* ESC[200~ came */
	bool in_pieces; /* of what is being pasted a piece has been given */
	bool given;     /* pasted was, by the last call */
	size_t pasted_len;
	char pasted[TYPING_PASTE_MAX]; /* of TYPING_TEXT and TYPING_BLOCK, until the next call of typing_next */
};

/* Where bytes go and how many; and that so many have been put there. There is room after each TYPING_MORE. */
size_t typing_room(struct typing *, uint8_t **at);
void typing_put(struct typing *, size_t len);

/* *c is set with TYPING_CHAR. */
enum typing_event typing_next(struct typing *, wchar_t *c);

#endif
