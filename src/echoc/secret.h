/*
 * The password: from a file, from the environment, or typed without being seen. Never from the command line. And what
 * else is asked on the terminal where standard input may be data.
 */
#ifndef ECHOC_SECRET_H
#define ECHOC_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "must.h"
#include "wire.h"

#define SECRET_WHY_MAX 4096

struct secret {
	bool known;
	bool typed; /* by a person, who can be asked again */
	size_t len; /* <= WIRE_SECRET_LINE_MAX */
	char text[WIRE_SECRET_LINE_MAX + 1];
};

/* Wipes it. */
void secret_forget(struct secret *);

/*
 * The first line of file without its end if file is given, else $ECHOC_PASSWORD, which is wiped from the environment.
 * Returns 0, also when there is neither and out stays unknown; or a negative errno with a sentence in why.
 */
int secret_load(const char *file, struct secret *out, char why[SECRET_WHY_MAX]) MUST_CHECK;

/* Whether secret_ask can work: there is a controlling terminal, or standard input is one. */
bool secret_can_ask(void);

/*
 * Asks on the terminal, with echo off and restored whatever happens: once, or, where creates is set, for a new
 * password for user twice and until both are the same and long enough. Returns 0, -ENODATA when the person ends the
 * input, or another negative errno. A signal meanwhile does what it does otherwise, after the terminal is restored.
 */
int secret_ask(const char *user, bool creates, struct secret *out) MUST_CHECK;

#define SECRET_ANSWER_MAX 256

/*
 * Asks something on the same terminal that is no secret, with echo on. Spaces around the answer are left out. Returns
 * 0, -ENODATA when the person ends the input, or another negative errno.
 */
int secret_ask_line(const char *question, char answer[SECRET_ANSWER_MAX]) MUST_CHECK;

#endif
