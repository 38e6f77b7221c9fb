/* The account's name, as far as the client looks at it: the server has the last word. */
#ifndef ECHOC_USER_H
#define ECHOC_USER_H

#include <stdbool.h>

#include "wire.h"

#define USER_NAME_MAX (WIRE_NAME_BYTES_MAX + 1) /* with its NUL */

/* The person's login name. Returns false when there is none that could be an account's. */
bool user_login_name(char name[USER_NAME_MAX]);

/* What is wrong with name as an account's name, in words for a person (static text), or NULL. */
const char *user_problem(const char *name);

#endif
