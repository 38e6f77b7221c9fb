/*
 * The keys of servers that were trusted on first use, in $XDG_STATE_HOME/echoc/known_servers: a line each, in the
 * manner of OpenSSH's known_hosts,
 *
 *     HOST:PORT SHA256:…
 *
 * with # before a comment. A server may have several lines.
 */
#ifndef ECHOC_KNOWN_SERVERS_H
#define ECHOC_KNOWN_SERVERS_H

#include <stdbool.h>
#include <stddef.h>

#include "address.h"
#include "must.h"
#include "tls.h"

#define KNOWN_SERVERS_NAME_MAX ADDRESS_TEXT_MAX
#define KNOWN_SERVERS_PATH_MAX 4096
#define KNOWN_SERVERS_FILE_MAX (1024 * 1024)

enum known_servers_result {
	KNOWN_SERVERS_NONE,    /* this server is not known */
	KNOWN_SERVERS_SAME,    /* with this key */
	KNOWN_SERVERS_CHANGED, /* with another */
};

struct known_servers_match {
	unsigned line;                     /* of the file, from 1; of the first where the key is another */
	char pin[TLS_PIN_MAX];             /* the one that stands there */
	char path[KNOWN_SERVERS_PATH_MAX]; /* of the file */
};

/* Whether text is a pin: `SHA256:` and 43 characters of base64, perhaps with their padding. */
bool known_servers_is_pin(const char *text);

/* What a server is called there: host in lower case, IPv6 in brackets, and port. */
void known_servers_name(const struct address *, char name[KNOWN_SERVERS_NAME_MAX]);

/* Looks for name and pin in the len bytes of a file's text. Lines that are none of its kind are passed over. */
enum known_servers_result known_servers_search(const char *text, size_t len, const char *name, const char *pin,
                                               struct known_servers_match *);

/* Looks in the file. Returns 0 with *result, or a negative errno; match->path is set in any case. */
int known_servers_find(const char *name, const char *pin, enum known_servers_result *result,
                       struct known_servers_match *match) MUST_CHECK;

/* Adds a line, unless it is there. Returns 0, or -EEXIST where name has got another key meanwhile, or another errno. */
int known_servers_add(const char *name, const char *pin) MUST_CHECK;

#endif
