#ifndef FAULT_SEAM_H
#define FAULT_SEAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What is to fail. A test has it as a file that it maps too (FAULT_FILE), so that it can change its mind while the
 * program runs; without that file the environment says it once: FAULT_PROGRAM, FAULT_CALL, FAULT_AT, FAULT_ERRNO,
 * FAULT_ALWAYS, FAULT_SEED, FAULT_RATE. All processes of one file count together.
 */
struct seam_plan {
	_Atomic uint64_t armed;
	uint64_t at;     /* the first call that fails, from 1; 0: only count */
	uint64_t always; /* and all behind it */
	uint64_t err;
	_Atomic uint64_t count, fired;
	uint64_t seed; /* not 0: one in rate calls is short, interrupted, or told to come again */
	uint64_t rate;
	char program[32]; /* a comma-separated list fits too; empty: all */
	char call[32];    /* "alloc", or as in seam_calls.c */
};

enum seam_whim { WHIM_NONE, WHIM_INTERRUPT, WHIM_AGAIN, WHIM_SHORT };

/* Counts a call of that kind. Returns whether it is to fail, with errno set. */
bool seam_fails(const char *kind);

/* Whether calls of that kind are what is to fail, as things stand now. */
bool seam_is_about(const char *kind);

/* For a program that has no plan from outside: its at-th call of that kind from now fails with err. */
void seam_arm(const char *kind, uint64_t at, int err);
/* Nothing fails any more. Returns how many calls have. */
uint64_t seam_disarm(void);

/* What random mode does to this call; none where it is off. */
enum seam_whim seam_whim(void);

/* A length from 1 to len, of random mode. */
size_t seam_shorten(size_t len);

#endif
