#include "reply_words.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "login.h"
#include "must.h"
#include "words.h"

#define HOLES_MAX 3

/* Of src/wire/dialogue.c and the keeper's stamping.c; %s is what differs from one to the next. */
static const char *const known[] = {
    N_("Welcome, %s. Echo begins"),
    N_("You come from %s"),
    N_("Last login %s from %s; failed logins since: %s"),
};

/* Whether text is pattern with something in each of its holes, which is copied out. */
static bool fits(const char *pattern, const char *text, char (*pieces)[LOGIN_TEXT_MAX])
{
	const char *hole = strstr(pattern, "%s");
	size_t before = hole ? (size_t)(hole - pattern) : strlen(pattern);

	if (strncmp(text, pattern, before) != 0)
		return false;
	text += before;
	if (!hole)
		return *text == '\0';
	for (size_t len = 0;; len++) {
		if (fits(hole + 2, text + len, pieces + 1)) {
			snprintf(*pieces, sizeof(*pieces), "%.*s", (int)len, text);
			return true;
		}
		if (text[len] == '\0')
			return false;
	}
}

void reply_words_print(const char *text)
{
	char pieces[HOLES_MAX][LOGIN_TEXT_MAX] = {0};

	for (size_t i = 0; i < array_size(known); i++) {
		if (!fits(known[i], text, pieces))
			continue;
		printf(_(known[i]), pieces[0], pieces[1], pieces[2]);
		putchar('\n');
		return;
	}
	puts(text);
}
