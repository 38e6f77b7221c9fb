#include "words.h"

#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#define DOMAIN "echod"

static bool is_utf8;

/*
 * What libraries say to a person, for xgettext: libc's own catalogue is a package that small systems lack, and OpenSSL
 * has none.
 */
static const char *const known[] = {
    N_("Address already in use"),
    N_("Cannot assign requested address"),
    N_("Address family not supported by protocol"),
    N_("Broken pipe"),
    N_("Cannot allocate memory"),
    N_("Connection refused"),
    N_("Connection reset by peer"),
    N_("Connection timed out"),
    N_("File exists"),
    N_("File name too long"),
    N_("Is a directory"),
    N_("Invalid argument"),
    N_("Input/output error"),
    N_("Network is unreachable"),
    N_("No route to host"),
    N_("No space left on device"),
    N_("No such file or directory"),
    N_("Not a directory"),
    N_("Operation not permitted"),
    N_("Permission denied"),
    N_("Read-only file system"),
    N_("Resource temporarily unavailable"),
    N_("Software caused connection abort"),
    N_("Too many levels of symbolic links"),
    N_("Too many open files"),
    N_("Text file busy"),
    /* getaddrinfo(3) */
    N_("Name or service not known"),
    N_("Temporary failure in name resolution"),
    N_("No address associated with hostname"),
    N_("Non-recoverable failure in name resolution"),
    /* X509_verify_cert_error_string(3) */
    N_("certificate has expired"),
    N_("certificate is not yet valid"),
    N_("hostname mismatch"),
    N_("IP address mismatch"),
    N_("self-signed certificate"),
    N_("self-signed certificate in certificate chain"),
    N_("unable to get issuer certificate"),
    N_("unable to get local issuer certificate"),
    N_("unable to verify the first certificate"),
};

/* What the environment asks for, as setlocale(3) looks for it. */
static const char *wanted(const char *category)
{
	const char *names[] = {"LC_ALL", category, "LANG"};

	for (size_t i = 0; i < 3; i++) {
		const char *value = getenv(names[i]);
		if (value && *value)
			return value;
	}
	return "C";
}

/* A locale that this machine has not got: gettext goes by LANGUAGE where the locale is any but C. */
static void speak_without_locale(void)
{
	const char *given = getenv("LANGUAGE");

	if (!setlocale(LC_MESSAGES, "C.UTF-8"))
		return;
	if (!given || !*given)
		(void)setenv("LANGUAGE", wanted("LC_MESSAGES"), 1);
}

/* The catalogues of a build folder lie beside the programs, those of an installation where it was told. */
static void find_catalogues(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof("po"));
	char *slash = n > 0 ? memrchr(path, '/', (size_t)n) : NULL;

	if (slash) {
		memcpy(slash + 1, "po", sizeof("po"));
		if (access(path, X_OK) == 0) {
			bindtextdomain(DOMAIN, path);
			return;
		}
	}
	bindtextdomain(DOMAIN, ECHOD_LOCALEDIR);
}

void words_init(void)
{
	if (setlocale(LC_CTYPE, ""))
		is_utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	else
		is_utf8 = strcasestr(wanted("LC_CTYPE"), "utf") && setlocale(LC_CTYPE, "C.UTF-8");
	if (strcmp(setlocale(LC_CTYPE, NULL), "C") == 0)
		(void)setlocale(LC_CTYPE, "C.UTF-8");
	if (is_utf8 && !setlocale(LC_MESSAGES, ""))
		speak_without_locale();
	find_catalogues();
	textdomain(DOMAIN);
}

void words_stay_english(void)
{
	(void)setlocale(LC_MESSAGES, "C");
}

bool words_are_utf8(void)
{
	return is_utf8;
}

const char *words_error(int err)
{
	const char *text = strerrordesc_np(err);

	for (size_t i = 0; text && i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(text, known[i]) == 0)
			return _(known[i]);
	}
	return strerror(err);
}

size_t words_width(const char *text)
{
	mbstate_t state = {0};
	size_t width = 0;

	while (*text) {
		wchar_t c;
		size_t n = mbrtowc(&c, text, strlen(text), &state);
		if (n == (size_t)-1 || n == (size_t)-2) {
			state = (mbstate_t){0};
			width++;
			text++;
			continue;
		}
		int columns = wcwidth(c);
		width += columns > 0 ? (size_t)columns : 0;
		text += n;
	}
	return width;
}
