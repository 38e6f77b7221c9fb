/*
 * The servers that a person has given names to, in $XDG_CONFIG_HOME/echoc/config, that is ~/.config/echoc/config: a
 * section [NAME] with address, and user and pin where they are wanted. No password ever.
 */
#ifndef ECHOC_CONFIG_H
#define ECHOC_CONFIG_H

#include <stdbool.h>

#include "address.h"
#include "must.h"
#include "tls.h"
#include "user.h"

struct config_server {
	char address[ADDRESS_TEXT_MAX]; /* as it is written there, and good */
	char user[USER_NAME_MAX];       /* empty: not given, as is the pin */
	char pin[TLS_PIN_MAX];
};

/*
 * Looks for a section of this name, if word can be one: it holds no colon and no slash, and not digits alone. Returns
 * whether there is one. Ends the process with status 2 and a sentence where the file is not to be trusted or has
 * anything wrong in it, in whichever section.
 */
bool config_find(const char *word, struct config_server *out) MUST_CHECK;

#endif
