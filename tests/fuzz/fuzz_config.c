/* The names of servers, from a file of any bytes: what is found is good, and what is wrong is said in clean words. */
#include "fuzz.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include "config.h"
#include "known_servers.h"
#include "text.h"

#define NAME "lab"

static const uint8_t *input;
static size_t input_len;
static FILE *file;
static jmp_buf refused;

static char folder[] = "/tmp/fuzz-config-XXXXXX", path[sizeof(folder) + sizeof("/config")];

static void take_away(void)
{
	unlink(path);
	rmdir(folder);
}

/* Some file of our own, which is what is looked at before it is read. */
char *__wrap_program_user_config_dir(const char *name);
char *__wrap_program_user_config_dir(const char *name)
{
	CHECK(strcmp(name, "echoc") == 0);
	if (!*path) {
		CHECK(mkdtemp(folder));
		snprintf(path, sizeof(path), "%s/config", folder);
		FILE *empty = fopen(path, "w");
		CHECK(empty && fclose(empty) == 0 && atexit(take_away) == 0);
	}
	return strdup(folder);
}

/* The input is what it holds. */
FILE *__wrap_fdopen(int fd, const char *mode);
FILE *__wrap_fdopen(int fd, const char *mode)
{
	close(fd);
	file = fmemopen((void *)(uintptr_t)input, input_len, mode);
	CHECK(file);
	return file;
}

_Noreturn void __wrap_program_usage(const char *name, const char *fmt, ...);
_Noreturn void __wrap_program_usage(const char *name, const char *fmt, ...)
{
	char sentence[4096], shown[4 * sizeof(sentence)];
	va_list args;

	va_start(args, fmt);
	int len = vsnprintf(sentence, sizeof(sentence), fmt, args);
	va_end(args);
	CHECK(strcmp(name, "echoc") == 0 && len > 0 && (size_t)len < sizeof(sentence) && sentence[len - 1] == '.');
	/* Nothing is left to escape, but where complain has cut it. */
	(void)text_escape_utf8(shown, sizeof(shown), sentence, (size_t)len);
	CHECK(strcmp(shown, sentence) == 0 || (size_t)len >= 1023);
	fclose(file);
	longjmp(refused, 1);
}

static void check_found(const struct config_server *s)
{
	struct address address;
	const char *why;

	CHECK(memmem(input, input_len, NAME, strlen(NAME)) && memmem(input, input_len, s->address, strlen(s->address)));
	CHECK(!address_parse(s->address, 7862, &address, &why));
	CHECK(!*s->user || !user_problem(s->user));
	CHECK(!*s->pin || (known_servers_is_pin(s->pin) && address.tls));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct config_server server;

	if (len == 0)
		return 0; /* fmemopen wants something */
	input = data;
	input_len = len;
	memset(&server, 0, sizeof(server));
	if (!setjmp(refused) && config_find(NAME, &server))
		check_found(&server);
	return 0;
}
