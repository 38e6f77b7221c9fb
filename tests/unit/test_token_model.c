/*
 * The store's tokens against a model of them: random sequences of logins, resumptions with tokens of any age,
 * password changes, removals and steps of the clock, after each of which both must say the same. TOKEN_ROUNDS says how
 * many sequences, TOKEN_GUESSES how many tokens are tried that are not good; TEST_SEED repeats a run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "store_fixture.h"

#define LIFE       INT64_C(8000000)
#define NAMES      3
#define TOKENS_MAX 2000

enum model_state { FREE, FRESH, CURRENT, SPENT };

struct model_token {
	enum model_state state;
	int name, family, serial;
	int64_t issued, expires;
	uint8_t digest[TOKEN_DIGEST_BYTES];
};

struct model {
	struct store *store;
	int64_t now;
	bool exists[NAMES], disabled[NAMES];
	int password[NAMES];
	int count; /* tokens ever issued in this sequence */
	struct model_token token[TOKENS_MAX];
	uint64_t resumed, refused, replayed;
};

static const char *const names[NAMES] = {"anna", "боб", "carla"};
static uint64_t random_state;

static size_t below(size_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % n;
}

static const char *hash_of(const struct model *m, int name)
{
	static char text[32];

	snprintf(text, sizeof(text), "password %d", m->password[name]);
	return text;
}

/* ---- the model ---- */

static bool belongs(const struct model_token *t, int name, int family)
{
	return t->state != FREE && t->name == name && (family == 0 || t->family == family);
}

static void drop(struct model *m, int name, int family)
{
	for (int i = 0; i < m->count; i++) {
		if (belongs(&m->token[i], name, family))
			m->token[i].state = FREE;
	}
}

/* A hundred of those past their time, the longest past it first. */
static void clear_expired(struct model *m)
{
	for (int n = 0; n < 100; n++) {
		struct model_token *first = NULL;
		for (int i = 0; i < m->count; i++) {
			struct model_token *t = &m->token[i];
			if (t->state != FREE && t->expires <= m->now && (!first || t->expires < first->expires))
				first = t;
		}
		if (!first)
			return;
		first->state = FREE;
	}
}

/* The highest number that a family of the account has, below limit. */
static int last_family(const struct model *m, int name, int limit)
{
	int last = 0;

	for (int i = 0; i < m->count; i++) {
		const struct model_token *t = &m->token[i];
		if (belongs(t, name, 0) && t->family < limit && t->family > last)
			last = t->family;
	}
	return last;
}

static void keep_families(struct model *m, int name, int most)
{
	int family = TOKENS_MAX;

	while (most-- > 0 && family > 0)
		family = last_family(m, name, family);
	for (int old = family; old > 0 && (old = last_family(m, name, old)) > 0;)
		drop(m, name, old);
}

/* What the family has beside its current one: the newest stay. */
static void keep_tokens(struct model *m, int name, int family)
{
	int kept = 0;

	for (int i = m->count - 1; i >= 0; i--) {
		struct model_token *t = &m->token[i];
		if (belongs(t, name, family) && t->state != CURRENT && ++kept > STORE_FAMILY_KEPT_MAX)
			t->state = FREE;
	}
}

static void issue(struct model *m, int name, int family, const uint8_t *digest)
{
	struct model_token *t = &m->token[m->count++];

	*t = (struct model_token){
	    .state = FRESH, .name = name, .family = family, .issued = m->now, .expires = m->now + LIFE};
	memcpy(t->digest, digest, sizeof(t->digest));
	keep_tokens(m, name, family);
}

static enum store_result model_resume(struct model *m, struct model_token *t, const uint8_t *next)
{
	if (!t || t->state == FREE || m->now >= t->expires || t->issued > m->now + STORE_CLOCK_SLACK_US ||
	    m->disabled[t->name])
		return STORE_ABSENT;
	if (t->state == SPENT)
		return STORE_SPENT;
	bool is_fresh = t->state == FRESH;
	clear_expired(m);
	for (int i = 0; is_fresh && i < m->count; i++) {
		if (belongs(&m->token[i], t->name, t->family))
			m->token[i].state = SPENT;
	}
	t->state = CURRENT;
	issue(m, t->name, t->family, next);
	return STORE_OK;
}

/* ---- both ---- */

static void log_in(struct model *m)
{
	int name = (int)below(NAMES);
	struct token t;
	token_make(&t);
	bool may = m->exists[name] && !m->disabled[name];
	enum store_result result =
	    store_begin_tokens(m->store, names[name], hash_of(m, name),
	                       &(struct store_token){.digest = t.digest, .now_us = m->now, .life_us = LIFE});

	assert_int_equal(result, may ? STORE_OK : STORE_ABSENT);
	if (!may)
		return;
	clear_expired(m);
	keep_families(m, name, STORE_FAMILIES_MAX - 1);
	issue(m, name, last_family(m, name, TOKENS_MAX) + 1, t.digest);
}

/* One of the last tokens, one of any age, or the oldest that is good still: families grow old by that. */
static struct model_token *any_token(struct model *m)
{
	size_t count = (size_t)m->count, span = count < 6 ? count : 6;

	if (count == 0)
		return NULL;
	switch (below(3)) {
	case 0: return &m->token[count - 1 - below(span)];
	case 1: return &m->token[below(count)];
	}
	for (size_t i = below(2) ? 0 : below(count); i < count; i++) {
		if (m->token[i].state == FRESH && m->token[i].expires > m->now)
			return &m->token[i];
	}
	return &m->token[count - 1];
}

static void end_family(struct model *m, const struct model_token *t)
{
	char name[NAME_BYTES_MAX + 1];
	bool is_spent = t->state == SPENT;

	assert_int_equal(store_revoke_family(m->store, t->digest, name), is_spent ? STORE_OK : STORE_ABSENT);
	if (is_spent) {
		assert_string_equal(name, names[t->name]);
		drop(m, t->name, t->family);
	}
}

static void resume(struct model *m)
{
	struct model_token *t = any_token(m);
	struct token next;
	struct account account = {.name = ""};

	if (!t)
		return;
	token_make(&next);
	enum store_result result =
	    store_resume(m->store, t->digest,
	                 &(struct store_token){.digest = next.digest, .now_us = m->now, .life_us = LIFE}, &account);
	int name = t->name;
	assert_int_equal(result, model_resume(m, t, next.digest));
	if (result == STORE_OK)
		assert_string_equal(account.name, names[name]);
	m->resumed += result == STORE_OK;
	m->refused += result == STORE_ABSENT;
	m->replayed += result == STORE_SPENT;
	if (result == STORE_SPENT && below(10)) /* the keeper does it always, but it may be killed */
		end_family(m, t);
}

static void change(struct model *m)
{
	int name = (int)below(NAMES);
	enum store_result wanted = m->exists[name] ? STORE_OK : STORE_ABSENT;
	char old[32];

	switch (below(6)) {
	case 0:
		m->password[name]++;
		assert_int_equal(store_set_hash(m->store, names[name], hash_of(m, name), NULL), wanted);
		drop(m, name, 0);
		break;
	case 1: /* the hash is made stronger at a login */
		snprintf(old, sizeof(old), "%s", hash_of(m, name));
		m->password[name] += 1000000;
		assert_int_equal(store_set_hash(m->store, names[name], hash_of(m, name), old), wanted);
		break;
	case 2:
		m->disabled[name] = below(2);
		assert_int_equal(store_set_disabled(m->store, names[name], m->disabled[name]), wanted);
		m->disabled[name] &= m->exists[name];
		if (m->disabled[name])
			drop(m, name, 0);
		break;
	case 3:
		assert_int_equal(store_remove(m->store, names[name]), wanted);
		m->exists[name] = m->disabled[name] = false;
		drop(m, name, 0);
		break;
	default:
		assert_int_equal(store_add(m->store, names[name], hash_of(m, name), 1),
		                 m->exists[name] ? STORE_EXISTS : STORE_OK);
		m->exists[name] = true;
	}
}

static void revoke(struct model *m)
{
	int name = (int)below(NAMES), alive = 0;
	int64_t families;

	for (int family = TOKENS_MAX; (family = last_family(m, name, family)) > 0;) {
		bool good = false;
		for (int i = 0; i < m->count; i++)
			good |= belongs(&m->token[i], name, family) && m->token[i].state != SPENT &&
			        m->token[i].expires > m->now;
		alive += good;
	}
	assert_int_equal(store_revoke(m->store, names[name], m->now, &families),
	                 m->exists[name] ? STORE_OK : STORE_ABSENT);
	assert_int_equal(families, alive);
	drop(m, name, 0);
}

/* Mostly a little; at times long enough for tokens to end, or back. */
static void let_time_pass(struct model *m)
{
	switch (below(8)) {
	case 0: m->now += (int64_t)below(2 * LIFE); break;
	case 1: m->now -= (int64_t)below(2 * STORE_CLOCK_SLACK_US); break;
	default: m->now += (int64_t)below(LIFE / 10);
	}
}

static void step(struct model *m)
{
	m->now += 1 + (int64_t)below(1000);
	switch (below(20)) {
	case 0: change(m); break;
	case 1: let_time_pass(m); break;
	case 2:
		if (!below(4))
			revoke(m);
		break;
	case 3:
	case 4:
	case 5: log_in(m); break;
	default: resume(m);
	}
}

static void begin_anew(struct model *m)
{
	for (int i = 0; i < NAMES; i++) {
		(void)!store_remove(m->store, names[i]);
		m->password[i]++;
		assert_int_equal(store_add(m->store, names[i], hash_of(m, i), 1), STORE_OK);
		m->exists[i] = true;
		m->disabled[i] = false;
	}
	m->count = 0;
	m->now += 3 * STORE_CLOCK_SLACK_US;
}

static unsigned long from_environment(const char *name, unsigned long otherwise)
{
	const char *given = getenv(name);

	return given ? strtoul(given, NULL, 0) : otherwise;
}

static void the_store_does_what_the_model_says(void **state)
{
	struct place *p = *state;
	struct model *m = calloc(1, sizeof(*m));
	unsigned long rounds = from_environment("TOKEN_ROUNDS", 1000);

	assert_non_null(m);
	m->store = open_at(p, p->path);
	m->now = INT64_C(1800000000000000);
	for (unsigned long i = 0; i < rounds; i++) {
		if (i == 0 || m->count > 150) /* else it goes on from what the last one left */
			begin_anew(m);
		/* most are short, some long enough to reach each bound */
		for (size_t steps = below(30) ? below(30) : below(600); steps > 0 && m->count < TOKENS_MAX - 1; steps--)
			step(m);
		if (!below(100)) { /* and none of it was only in memory */
			store_close(m->store);
			m->store = open_at(p, p->path);
		}
	}
	printf("%lu sequences: %llu resumed, %llu refused, %llu replays\n", rounds, (unsigned long long)m->resumed,
	       (unsigned long long)m->refused, (unsigned long long)m->replayed);
	assert_true(rounds < 100 || (m->resumed > rounds && m->refused > rounds / 4 && m->replayed > rounds / 4));
	store_close(m->store);
	free(m);
}

/* Random ones, ones past their time, and spent ones, none of which is ever good. */
static void no_guess_is_good(void **state)
{
	struct place *p = *state;
	struct store *s = open_at(p, p->path);
	unsigned long guesses = from_environment("TOKEN_GUESSES", 3000), good = 0;
	int64_t now = INT64_C(1800000000000000);
	struct token spent, current, next, old;
	struct account a;

	assert_int_equal(store_add(s, "anna", "h", 1), STORE_OK);
	token_make(&old);
	token_make(&spent);
	token_make(&current);
	struct store_token t = {.digest = old.digest, .now_us = now - 2 * LIFE, .life_us = LIFE};
	assert_int_equal(store_begin_tokens(s, "anna", "h", &t), STORE_OK);
	t = (struct store_token){.digest = spent.digest, .now_us = now - LIFE, .life_us = 2 * LIFE};
	assert_int_equal(store_begin_tokens(s, "anna", "h", &t), STORE_OK);
	t.digest = current.digest;
	assert_int_equal(store_resume(s, spent.digest, &t, &a), STORE_OK);
	token_make(&next);
	t.digest = next.digest;
	assert_int_equal(store_resume(s, current.digest, &t, &a), STORE_OK);
	for (unsigned long i = 0; i < guesses; i++) {
		struct token guess, none;
		token_make(&guess);
		token_make(&none);
		const uint8_t *tried = i % 10 == 0 ? old.digest : i % 10 == 1 ? spent.digest : guess.digest;
		struct store_token n = {.digest = none.digest, .now_us = now, .life_us = LIFE};
		good += store_resume(s, tried, &n, &a) == STORE_OK;
	}
	assert_int_equal(good, 0);
	t = (struct store_token){.digest = old.digest, .now_us = now, .life_us = LIFE};
	assert_int_equal(store_resume(s, next.digest, &t, &a), STORE_OK); /* and guessing has done no harm */
	store_close(s);
}

int main(void)
{
	const char *given = getenv("TEST_SEED");
	const struct CMUnitTest tests[] = {
	    ON_FILES(the_store_does_what_the_model_says),
	    ON_FILES(no_guess_is_good),
	};

	if (password_init())
		return 1;
	setenv("TMPDIR", "/dev/shm", 1); /* each step is a write that waits for the disk */
	random_state = (given ? strtoull(given, NULL, 0) : clock_now_ns()) | 1;
	printf("TEST_SEED=%llu\n", (unsigned long long)random_state);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
