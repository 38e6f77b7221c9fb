#include "stamps.h"

#include <string.h>

#include "text.h"

const struct account_stamp *stamps_find(const struct stamps *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++) {
		if (strcmp(s->stamp[i].name, name) == 0)
			return &s->stamp[i];
	}
	return NULL;
}

static struct account_stamp *find_or_add(struct stamps *s, const char *name)
{
	struct account_stamp *stamp = (struct account_stamp *)stamps_find(s, name);

	if (stamp)
		return stamp;
	if (s->count == STAMPS_MAX) {
		s->dropped++;
		return NULL;
	}
	stamp = &s->stamp[s->count++];
	*stamp = (struct account_stamp){0};
	text_copy(stamp->name, sizeof(stamp->name), name);
	return stamp;
}

void stamps_login(struct stamps *s, const char *name, const char *address, int64_t when_us)
{
	struct account_stamp *stamp = find_or_add(s, name);

	if (!stamp)
		return;
	stamp->logins++;
	stamp->last_login_us = when_us;
	text_copy(stamp->last_address, sizeof(stamp->last_address), address);
	stamp->failures = 0;
	stamp->failures_restart = true;
}

void stamps_failure(struct stamps *s, const char *name)
{
	struct account_stamp *stamp = find_or_add(s, name);

	if (stamp)
		stamp->failures++;
}

void stamps_apply(const struct stamps *s, struct account *account)
{
	const struct account_stamp *stamp = stamps_find(s, account->name);

	if (!stamp)
		return;
	account->logins += stamp->logins;
	account->failures = (stamp->failures_restart ? 0 : account->failures) + stamp->failures;
	if (stamp->last_login_us) {
		account->last_login_us = stamp->last_login_us;
		text_copy(account->last_address, sizeof(account->last_address), stamp->last_address);
	}
}

void stamps_return(struct stamps *s, const struct account_stamp *batch, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct account_stamp *old = &batch[i];
		struct account_stamp *now = find_or_add(s, old->name);
		if (!now)
			continue;
		now->logins += old->logins;
		if (!now->failures_restart)
			now->failures += old->failures;
		now->failures_restart |= old->failures_restart;
		if (!now->last_login_us) {
			now->last_login_us = old->last_login_us;
			text_copy(now->last_address, sizeof(now->last_address), old->last_address);
		}
	}
}
