/* What every program's main needs: its options, its usage errors, its secrets' hygiene. */
#ifndef BASE_PROGRAM_H
#define BASE_PROGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "must.h"

/* Prints `NAME: sentence` and a line's end on stderr. */
void program_say(const char *name, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* What else program_usage does with the sentence before it ends the process, as for an object of JSON. */
void program_on_usage(void (*)(const char *sentence));
/* The same, with a hint at --help, and ends the process with status 2. */
_Noreturn void program_usage(const char *name, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* An option's value, or program_usage with a sentence that names option, value and what is wanted. */
uint64_t program_number(const char *name, const char *option, const char *text, uint64_t least, uint64_t most);
uint64_t program_duration_ms(const char *name, const char *option, const char *text);
uint64_t program_duration_us(const char *name, const char *option, const char *text, uint64_t most_us);

/*
 * Opens /dev/null on every one of descriptors 0 to 2 that is closed, so that no socket or file takes their place
 * (CERT FIO22-C's class of bug). Ends the process if even that fails.
 */
void program_fix_descriptors(void);
/* The same where standard output is the result: if it was closed, writing to it fails from here on. */
void program_fix_descriptors_but_output(void);

/* Writes all of it. Returns 0 or a negative errno. */
int program_write_all(int fd, const char *data, size_t len) MUST_CHECK;

/*
 * For a process through which passwords or keys pass: no core of it is written, and no other process of its user looks
 * into its memory (PR_SET_DUMPABLE). Root still can.
 */
void program_keep_secrets(void);

/*
 * Where state is kept: given, or $STATE_DIRECTORY, or $XDG_STATE_HOME/echod, or ~/.local/state/echod. The result is
 * the caller's to free. NULL, with errno, when there is no home either or memory is out.
 */
char *program_state_dir(const char *given) MUST_CHECK;

/* The same for what belongs to a person rather than to a service: $XDG_STATE_HOME/name, or ~/.local/state/name. */
char *program_user_state_dir(const char *name) MUST_CHECK;

/* And for what a person has written: $XDG_CONFIG_HOME/name, or ~/.config/name. */
char *program_user_config_dir(const char *name) MUST_CHECK;

#endif
