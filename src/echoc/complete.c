#include "complete.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "input.h"
#include "typed.h"
#include "wide.h"

/* Inserts len bytes at the cursor. Returns what libedit is to do then. */
static unsigned char insert(EditLine *el, const char *text, size_t len)
{
	wchar_t *wide = wide_from_bytes(text, len);
	int failed = !wide || el_winsertstr(el, wide);

	free(wide);
	return failed ? CC_ERROR : CC_REFRESH;
}

/* How far all that begin with begun go on alike: bytes of *first. Returns how many there are. */
static unsigned find(const char *begun, size_t len, const char **first, size_t *alike)
{
	unsigned count = 0, at = 0;
	const char *name;

	while ((name = typed_complete(begun, len, &at))) {
		if (count++ == 0) {
			*first = name;
			*alike = strlen(name);
		}
		while (strncmp(name, *first, *alike) != 0 || ((*first)[*alike] & 0xc0) == 0x80)
			(*alike)--; /* to the beginning of a character */
	}
	return count;
}

static void list(EditLine *el, const char *begun, size_t len)
{
	struct input *in;
	unsigned at = 0;
	const char *name;

	el_wget(el, EL_CLIENTDATA, &in);
	input_hide(in);
	while ((name = typed_complete(begun, len, &at)))
		printf("%.*s  ", (int)strcspn(name, " "), name);
	putchar('\n');
	input_show(in, true);
}

static unsigned char go_on(EditLine *el, const char *begun, size_t len)
{
	const char *first = NULL;
	size_t alike = 0;
	unsigned count = find(begun, len, &first, &alike);

	if (alike > len)
		return insert(el, first + len, alike - len);
	if (count < 2)
		return CC_ERROR;
	list(el, begun, len);
	return CC_NORM;
}

unsigned char complete_command(EditLine *el, int key)
{
	const LineInfoW *line = el_wline(el);
	size_t len, before = (size_t)(line->cursor - line->buffer);

	(void)key;
	if (before == 0 || line->buffer[0] != L'/' || wmemchr(line->buffer, L' ', before))
		return insert(el, "\t", 1);
	char *begun = wide_to_bytes(line->buffer, before, &len);
	unsigned char result = begun ? go_on(el, begun, len) : CC_ERROR;
	free(begun);
	return result;
}
