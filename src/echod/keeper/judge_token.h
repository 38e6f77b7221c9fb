/* The judging of tokens, on a pool's thread: issuing one with a password login, and resuming with one. */
#ifndef KEEPER_JUDGE_TOKEN_H
#define KEEPER_JUDGE_TOKEN_H

#include "judge.h"

/* A fresh token, in the verdict and, as its digest, in the case; *out is for the store that is to have it. */
void judge_token_make(struct judge_case *, struct store_token *out);
/* Takes the token back that was made: it is not to be told. */
void judge_token_drop(struct judge_case *);

/* After a password that was right: begins a family for the case's account, and decides. */
void judge_token_begin(struct judge_case *, struct store *);
/* ASK_RESUME, whose token judge_at_once has read. */
void judge_token_resume(struct judge_case *, struct store *);
/* JUDGE_END_FAMILY and JUDGE_END_ALL. */
void judge_token_end_family(struct judge_case *, struct store *);
void judge_token_end_all(struct judge_case *, struct store *);

#endif
