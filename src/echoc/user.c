#include "user.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text.h"
#include "words.h"

bool user_login_name(char name[USER_NAME_MAX])
{
	const struct passwd *user = getpwuid(getuid());
	const char *found = user ? user->pw_name : getenv("LOGNAME");

	return found && text_copy(name, USER_NAME_MAX, found) && !user_problem(name);
}

static bool is_allowed(unsigned c)
{
	if (c >= 0x80)
		return c >= 0xa0; /* no C1 control; the rest is for the server, which knows Unicode */
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c && strchr("._-+@", (int)c));
}

const char *user_problem(const char *name)
{
	size_t left = strlen(name), chars = 0;

	if (left == 0)
		return N_("a name has at least one character");
	while (left > 0) {
		unsigned c = 0;
		size_t n = text_utf8_char(name, left, &c);
		if (n == 0)
			return N_("a name is UTF-8 text, and this is not");
		if (!is_allowed(c))
			return N_("a name holds letters, digits and . _ - + @ only");
		name += n;
		left -= n;
		chars++;
	}
	return chars > WIRE_NAME_CHARS_MAX ? N_("a name has at most 64 characters") : NULL;
}
