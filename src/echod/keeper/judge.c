#include "judge.h"

#include <errno.h>

#include "clock.h"
#include "judge_token.h"
#include "name.h"
#include "text.h"

int judge_open_court(struct judge_court *court)
{
	/* Of what does not matter: an account that is not there is refused whatever matches. */
	return password_hash(court->cost, "", 0, court->dummy_hash);
}

void judge_decide(struct judge_case *jc, enum dialogue_answer answer)
{
	jc->verdict.answer = (uint32_t)answer;
}

static bool registration_is_open(const struct judge_case *jc)
{
	return jc->ask.listener < jc->court->listeners && jc->court->register_open[jc->ask.listener];
}

/* No front of ours asks otherwise. */
static bool makes_sense(const struct judge_case *jc)
{
	const struct ask *ask = &jc->ask;

	if (ask->name_len > sizeof(ask->name) || ask->secret_len > sizeof(ask->secret) || ask->creates > 1 ||
	    ask->wants_token > 1 || ask->path_safe > 1 || ask->is_local > 1)
		return false;
	switch (ask->kind) {
	case ASK_NAME: return true;
	case ASK_SECRET:
	case ASK_RESUME: return ask->path_safe || jc->court->allow_cleartext;
	default: return false;
	}
}

static bool is_token(struct judge_case *jc)
{
	bool is = token_read(jc->ask.secret, jc->ask.secret_len, jc->digest);

	password_wipe(jc->ask.secret, sizeof(jc->ask.secret));
	if (is)
		token_mark(jc->digest, jc->verdict.used);
	return is;
}

bool judge_at_once(struct judge_case *jc)
{
	const struct ask *ask = &jc->ask;

	jc->verdict = (struct verdict){.id = ask->id};
	if (!makes_sense(jc)) {
		judge_decide(jc, ANSWER_UNAVAILABLE);
		return true;
	}
	if (ask->kind == ASK_RESUME) {
		judge_decide(jc, ANSWER_REFUSED);
		return !is_token(jc);
	}
	_Static_assert(sizeof(jc->verdict.name) >= NAME_BYTES_MAX + 1, "a verdict takes any name");
	int err = name_normalise(ask->name, ask->name_len, jc->verdict.name);
	if (err) {
		jc->verdict.name[0] = '\0';
		judge_decide(jc, err == -ENOMEM ? ANSWER_UNAVAILABLE : ANSWER_BAD_NAME);
		return true;
	}
	if (ask->kind == ASK_NAME && !registration_is_open(jc)) {
		judge_decide(jc, ANSWER_KNOWN);
		return true;
	}
	return false;
}

bool judge_would_create(const struct judge_case *jc)
{
	return jc->ask.kind == ASK_SECRET && jc->ask.creates && registration_is_open(jc) &&
	       password_acceptable(jc->ask.secret, jc->ask.secret_len);
}

void judge_out_of_reach(struct judge_case *jc, const struct store *store)
{
	log_event(jc->court->log, LOG_ERROR, "store_failed", "%s", store_why(store));
	judge_decide(jc, ANSWER_UNAVAILABLE);
}

static void judge_name(struct judge_case *jc, struct store *store)
{
	switch (store_find(store, jc->verdict.name, &jc->account)) {
	case STORE_OK: judge_decide(jc, ANSWER_KNOWN); break;
	case STORE_ABSENT: judge_decide(jc, ANSWER_UNKNOWN); break;
	case STORE_EXISTS:
	case STORE_TOO_MANY:
	case STORE_SPENT:
	case STORE_BUSY:
	case STORE_UNAVAILABLE: judge_out_of_reach(jc, store); break;
	}
	jc->account.name[0] = '\0';
}

static bool hash(struct judge_case *jc, char out[PASSWORD_HASH_MAX])
{
	if (password_hash(jc->court->cost, jc->ask.secret, jc->ask.secret_len, out) == 0)
		return true;
	log_event(jc->court->log, LOG_ERROR, "hash_failed", "no memory for a password hash of %u KiB",
	          jc->court->cost.kib);
	judge_decide(jc, ANSWER_UNAVAILABLE);
	return false;
}

/* PASS after 332: insert if absent, and 230 only after the commit. */
static void create(struct judge_case *jc, struct store *store)
{
	char hashed[PASSWORD_HASH_MAX];
	struct store_token token;
	struct store_new account = {.name = jc->verdict.name,
	                            .hash = hashed,
	                            .created_us = clock_wall_us(),
	                            .accounts_max = jc->court->max_accounts};

	if (!registration_is_open(jc)) {
		judge_decide(jc, ANSWER_REFUSED);
		return;
	}
	if (!password_acceptable(jc->ask.secret, jc->ask.secret_len)) {
		judge_decide(jc, ANSWER_BAD_SECRET);
		return;
	}
	if (!hash(jc, hashed))
		return;
	if (jc->ask.wants_token) {
		judge_token_make(jc, &token);
		account.token = &token;
	}
	switch (store_register(store, &account)) {
	case STORE_OK:
		text_copy(jc->account.name, sizeof(jc->account.name), jc->verdict.name);
		jc->verdict.created = 1;
		judge_decide(jc, ANSWER_IN);
		break;
	case STORE_EXISTS: judge_decide(jc, ANSWER_REFUSED); break;
	case STORE_TOO_MANY:
		log_event(jc->court->log, LOG_WARNING, "accounts_full",
		          "there are %lld accounts, so %s was not made: remove some, or raise --max-accounts",
		          (long long)jc->court->max_accounts, jc->verdict.name);
		judge_decide(jc, ANSWER_FULL);
		break;
	case STORE_ABSENT:
	case STORE_SPENT:
	case STORE_BUSY:
	case STORE_UNAVAILABLE: judge_out_of_reach(jc, store); break;
	}
	if (!jc->verdict.created)
		judge_token_drop(jc);
	password_wipe(hashed, sizeof(hashed));
}

/* The parameters have risen since the hash was made: it is made anew while the password is at hand. */
static void rehash(struct judge_case *jc, struct store *store)
{
	char hashed[PASSWORD_HASH_MAX];

	if (!password_is_weaker(jc->account.hash, jc->court->cost))
		return;
	if (password_hash(jc->court->cost, jc->ask.secret, jc->ask.secret_len, hashed))
		return;
	/* Where it cannot be stored now, the next login does it. */
	if (store_set_hash(store, jc->account.name, hashed, jc->account.hash) == STORE_OK) {
		text_copy(jc->account.hash, sizeof(jc->account.hash), hashed);
		log_event(jc->court->log, LOG_INFO, "rehash", "made the stored hash of %s stronger", jc->account.name);
	}
	password_wipe(hashed, sizeof(hashed));
}

static void verify(struct judge_case *jc, struct store *store, bool exists)
{
	const char *stored = exists ? jc->account.hash : jc->court->dummy_hash;
	enum password_match match;

	if (password_verify(stored, jc->ask.secret, jc->ask.secret_len, &match)) {
		log_event(jc->court->log, LOG_ERROR, "hash_failed", "no memory to check a password");
		judge_decide(jc, ANSWER_UNAVAILABLE);
		jc->account.name[0] = '\0';
		return;
	}
	if (match == PASSWORD_BAD_HASH)
		log_event(jc->court->log, LOG_ERROR, "bad_hash",
		          "the stored password of %s is no hash that is accepted: set it anew with echoctl user passwd",
		          jc->account.name);
	if (match == PASSWORD_RIGHT && exists && !jc->account.disabled) {
		judge_decide(jc, ANSWER_IN);
		rehash(jc, store);
		if (jc->ask.wants_token)
			judge_token_begin(jc, store);
		return;
	}
	jc->failed = exists;
	judge_decide(jc, ANSWER_REFUSED);
}

static void judge_secret(struct judge_case *jc, struct store *store)
{
	if (jc->ask.creates) {
		create(jc, store);
		return;
	}
	switch (store_find(store, jc->verdict.name, &jc->account)) {
	case STORE_OK: verify(jc, store, true); break;
	case STORE_ABSENT: verify(jc, store, false); break;
	case STORE_EXISTS:
	case STORE_TOO_MANY:
	case STORE_SPENT:
	case STORE_BUSY:
	case STORE_UNAVAILABLE: judge_out_of_reach(jc, store); break;
	}
}

static void judge_question(struct judge_case *jc, struct store *store)
{
	switch (jc->ask.kind) {
	case ASK_NAME: judge_name(jc, store); break;
	case ASK_SECRET: judge_secret(jc, store); break;
	case ASK_RESUME: judge_token_resume(jc, store); break;
	}
	password_wipe(jc->ask.secret, sizeof(jc->ask.secret));
	password_wipe(jc->account.hash, sizeof(jc->account.hash));
}

void judge_tell_upgrade(const struct judge_court *court, struct store *store)
{
	if (store_was_upgraded(store))
		log_event(court->log, LOG_WARNING, "store_upgraded",
		          "the accounts' file %s was of an older version: from now on older echods refuse it",
		          court->accounts);
}

void judge_work(void *own, struct pool_job *job)
{
	struct judge_case *jc = container_of(job, struct judge_case, job);

	switch (jc->task) {
	case JUDGE_QUESTION: judge_question(jc, own); break;
	case JUDGE_END_FAMILY: judge_token_end_family(jc, own); break;
	case JUDGE_END_ALL: judge_token_end_all(jc, own); break;
	}
	judge_tell_upgrade(jc->court, own);
}

void *judge_begin(void *arg)
{
	const struct judge_court *court = arg;
	struct store *store;
	char why[STORE_WHY_MAX];
	bool created;

	if (store_open(&store, court->accounts, STORE_WAS_CHECKED, &created, why) == STORE_OK)
		return store;
	log_event(court->log, LOG_ERROR, "store_failed", "%s", why);
	return NULL;
}

void judge_end(void *own)
{
	store_close(own);
}
