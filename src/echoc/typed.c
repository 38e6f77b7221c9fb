#include "typed.h"

#include <stdbool.h>
#include <string.h>

const char typed_help[] = "What you type is sent, and shown again when it has come back.\n"
                          "  exit, /exit, /quit, Ctrl-D   leave\n"
                          "  /say TEXT                    send TEXT, whatever it is\n"
                          "  //TEXT                       send /TEXT\n"
                          "  /help                        this\n";

static bool is(const char *line, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(line, word, len) == 0;
}

enum typed_kind typed_read(const char *line, size_t len, size_t *from)
{
	static const char say[] = "/say ";

	*from = 0;
	if (is(line, len, "exit") || is(line, len, "/exit") || is(line, len, "/quit"))
		return TYPED_LEAVE;
	if (len == 0 || line[0] != '/')
		return TYPED_TEXT;
	if (is(line, len, "/help"))
		return TYPED_HELP;
	if (len >= 2 && line[1] == '/') {
		*from = 1;
		return TYPED_TEXT;
	}
	if (len >= sizeof(say) - 1 && memcmp(line, say, sizeof(say) - 1) == 0) {
		*from = sizeof(say) - 1;
		return TYPED_TEXT;
	}
	return TYPED_UNKNOWN;
}
