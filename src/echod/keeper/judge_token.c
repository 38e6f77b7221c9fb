#include "judge_token.h"

#include <errno.h>
#include <string.h>

#include "text.h"

_Static_assert(WIRE_TOKEN_CHARS == TOKEN_TEXT_LEN, "the wire carries what the accounts make");
_Static_assert(VERDICT_MARK_MAX == TOKEN_MARK_LEN + 1, "so do front and keeper");

void judge_token_make(struct judge_case *jc, struct store_token *out)
{
	struct token token;

	token_make(&token);
	text_copy(jc->verdict.token, sizeof(jc->verdict.token), token.text);
	memcpy(jc->issued, token.digest, sizeof(jc->issued));
	token_mark(token.digest, jc->verdict.issued);
	password_wipe(&token, sizeof(token));
	*out = (struct store_token){
	    .digest = jc->issued, .now_us = token_clock_now(jc->court->clock), .life_us = jc->court->token_life_us};
	jc->verdict.expires_us = out->now_us + out->life_us;
}

void judge_token_drop(struct judge_case *jc)
{
	password_wipe(jc->verdict.token, sizeof(jc->verdict.token));
	jc->verdict.issued[0] = '\0';
	jc->verdict.expires_us = 0;
}

void judge_token_begin(struct judge_case *jc, struct store *store)
{
	struct store_token first;

	judge_token_make(jc, &first);
	switch (store_begin_tokens(store, jc->account.name, jc->account.hash, &first)) {
	case STORE_OK: judge_decide(jc, ANSWER_IN); return;
	case STORE_ABSENT:
		/* The password was changed, or the account disabled, since it was looked at: what is true now is for
		 * the next try to find out. */
		judge_decide(jc, ANSWER_UNAVAILABLE);
		break;
	case STORE_EXISTS:
	case STORE_TOO_MANY:
	case STORE_SPENT:
	case STORE_BUSY:
	case STORE_UNAVAILABLE: judge_out_of_reach(jc, store); break;
	}
	judge_token_drop(jc);
}

void judge_token_resume(struct judge_case *jc, struct store *store)
{
	struct store_token next;

	judge_token_make(jc, &next);
	switch (store_resume(store, jc->digest, &next, &jc->account)) {
	case STORE_OK:
		text_copy(jc->verdict.name, sizeof(jc->verdict.name), jc->account.name);
		judge_decide(jc, ANSWER_IN);
		return;
	case STORE_SPENT:
		jc->replayed = true; /* its family is ended after the reply, which tells it from no other refusal */
		judge_decide(jc, ANSWER_REFUSED);
		break;
	case STORE_ABSENT: judge_decide(jc, ANSWER_REFUSED); break;
	case STORE_EXISTS:
	case STORE_TOO_MANY:
	case STORE_BUSY:
	case STORE_UNAVAILABLE: judge_out_of_reach(jc, store); break;
	}
	judge_token_drop(jc);
}

void judge_token_end_family(struct judge_case *jc, struct store *store)
{
	char mark[TOKEN_MARK_LEN + 1], name[NAME_BYTES_MAX + 1];
	enum store_result result = store_revoke_family(store, jc->digest, name);

	token_mark(jc->digest, mark);
	if (result == STORE_OK)
		log_event(jc->court->log, LOG_WARNING, "token_replay",
		          "token %s of %s was used after one that followed it: somebody has a copy, so all that come "
		          "from the same login have ended",
		          mark, name);
	else if (result != STORE_ABSENT)
		log_event(jc->court->log, LOG_ERROR, "store_failed", "%s", store_why(store));
}

void judge_token_end_all(struct judge_case *jc, struct store *store)
{
	int64_t families;

	switch (store_revoke(store, jc->verdict.name, token_clock_now(jc->court->clock), &families)) {
	case STORE_OK:
		jc->ended = families;
		log_event(jc->court->log, LOG_INFO, "revoke", "ended the tokens of %s: %lld logins", jc->verdict.name,
		          (long long)families);
		return;
	case STORE_ABSENT: jc->ended = -ENOENT; return;
	case STORE_EXISTS:
	case STORE_TOO_MANY:
	case STORE_SPENT:
	case STORE_BUSY:
	case STORE_UNAVAILABLE:
		jc->ended = -EIO;
		log_event(jc->court->log, LOG_ERROR, "store_failed", "%s", store_why(store));
		return;
	}
}
