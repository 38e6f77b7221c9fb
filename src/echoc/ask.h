/* Questions to a person at the terminal, each with a default in brackets, asked again until the answer will do. */
#ifndef ECHOC_ASK_H
#define ECHOC_ASK_H

#include "address.h"
#include "must.h"
#include "user.h"

/* Host and port; out holds the defaults. Returns 0, or -ENODATA when the person ends the input. */
int ask_address(struct address *out) MUST_CHECK;
/* The account's name; out holds the default, or is empty. Returns as ask_address. */
int ask_name(char out[USER_NAME_MAX]) MUST_CHECK;

/* What is wrong with an address for a client, in words for a person (static text, to be translated), or NULL. */
const char *ask_address_problem(const struct address *);

#endif
