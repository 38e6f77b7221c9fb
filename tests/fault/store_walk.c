/*
 * store-walk FOLDER KIND ERRNO: makes a store, adds an account, finds and stamps it, issues a token and uses it, while
 * the first call of that kind fails, then the second, and so on until none is left to fail. After each the store is
 * whole, and has what was said to be there. SQLite's allocations alone are over a thousand: too many to start a server
 * for each.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "password.h"
#include "seam.h"
#include "store.h"
#include "text.h"

static _Noreturn void wrong(uint64_t at, const char *what, const char *why)
{
	fprintf(stderr, "store-walk: call %llu: %s: %s\n", (unsigned long long)at, what, why);
	exit(1);
}

#define LIFE INT64_C(1000000000)

/* Tokens by number: their digests are made of it. */
static enum store_result use(struct store *store, uint8_t token, uint8_t next)
{
	uint8_t digest[TOKEN_DIGEST_BYTES] = {token}, following[TOKEN_DIGEST_BYTES] = {next};
	struct store_token t = {.digest = following, .now_us = 1, .life_us = LIFE};
	struct account account;

	if (token == 0)
		return store_begin_tokens(store, "anna", "a hash", &t);
	return store_resume(store, digest, &t, &account);
}

/* What was said to be there. */
struct said {
	bool added;
	uint8_t token; /* the last that was told, or 0 */
};

/* A life that may fail anywhere. */
static struct said live(const char *path)
{
	struct said said = {.added = false};
	struct account_stamp stamp = {.name = "anna", .logins = 1, .last_login_us = 1, .last_address = "nowhere"};
	struct account found;
	struct store *store;
	char why[STORE_WHY_MAX];
	bool created;

	if (store_open(&store, path, STORE_MAY_CREATE, &created, why) != STORE_OK)
		return said;
	said.added = store_add(store, "anna", "a hash", 1) == STORE_OK;
	(void)!store_find(store, "anna", &found);
	(void)!store_stamp(store, &stamp, 1);
	for (uint8_t next = 1; next <= 3 && use(store, said.token, next) == STORE_OK; next++)
		said.token = next;
	store_close(store);
	return said;
}

/* Nothing fails any more. */
static void check(const char *path, uint64_t at, struct said said)
{
	struct account found;
	struct store *store;
	char why[STORE_WHY_MAX];
	bool created;

	if (store_open(&store, path, STORE_MAY_CREATE, &created, why) != STORE_OK)
		wrong(at, "the store cannot be opened afterwards", why);
	enum store_result there = store_find(store, "anna", &found);
	if (said.added ? there != STORE_OK : there != STORE_OK && there != STORE_ABSENT)
		wrong(at, "the account is gone, or not to be found", store_why(store));
	if (there == STORE_ABSENT && store_add(store, "anna", "a hash", 1) != STORE_OK)
		wrong(at, "the account cannot be added afterwards", store_why(store));
	if (said.token && use(store, said.token, 100) != STORE_OK)
		wrong(at, "the token that was told is not good", store_why(store));
	store_close(store);
}

static void remove_all(const char *path)
{
	static const char *const endings[] = {"", "-wal", "-shm"};
	char name[4096];

	for (size_t i = 0; i < array_size(endings); i++) {
		snprintf(name, sizeof(name), "%s%s", path, endings[i]);
		unlink(name);
	}
}

int main(int argc, char **argv)
{
	char path[4000];
	uint64_t at = 0, fired;

	if (argc != 4 || password_init())
		return 2;
	snprintf(path, sizeof(path), "%s/accounts", argv[1]);
	do {
		seam_arm(argv[2], ++at, (int)strtol(argv[3], NULL, 10));
		struct said said = live(path);
		fired = seam_disarm();
		check(path, at, said);
		remove_all(path);
	} while (fired);
	printf("%llu calls\n", (unsigned long long)(at - 1));
	return 0;
}
