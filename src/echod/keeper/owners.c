#include "owners.h"

#include "address.h"

struct moment {
	struct throttle *throttle;
	int64_t us;
	uint64_t ms;
};

static int remember(void *arg, const struct account *a)
{
	const struct moment *now = arg;
	struct peer peer;

	if (!a->last_login_us || peer_parse(a->last_address, &peer))
		return 0;
	/* A clock that was set back makes it a login of now. */
	uint64_t ago_ms = a->last_login_us < now->us ? (uint64_t)(now->us - a->last_login_us) / 1000 : 0;
	throttle_remember(now->throttle, &peer, a->name, ago_ms < now->ms ? now->ms - ago_ms : 0);
	return 0;
}

enum store_result owners_load(struct throttle *t, struct store *store, int64_t now_us, uint64_t now_ms)
{
	struct moment now = {.throttle = t, .us = now_us, .ms = now_ms};

	return store_each(store, remember, &now);
}
