/* The keeper, asked by a front that says anything: the input is a struct ask as it came over the link. */
#include "fuzz.h"

#include <string.h>

#include "judge.h"
#include "name.h"

static const struct judge_court court = {.register_open = {0, 1}, .listeners = 2};

/* Whether it may be answered otherwise than by 451. */
static bool makes_sense(const struct ask *ask)
{
	bool fits = ask->name_len <= sizeof(ask->name) && ask->secret_len <= sizeof(ask->secret);
	bool flags = ask->creates <= 1 && ask->wants_token <= 1 && ask->path_safe <= 1 && ask->is_local <= 1;

	return fits && flags &&
	       (ask->kind == ASK_NAME || (ask->path_safe && (ask->kind == ASK_SECRET || ask->kind == ASK_RESUME)));
}

static bool is_wiped(const struct ask *ask)
{
	for (size_t i = 0; i < ask->secret_len; i++) {
		if (ask->secret[i])
			return false;
	}
	return true;
}

static void check_at_once(const struct judge_case *jc)
{
	const struct ask *ask = &jc->ask;

	switch ((enum dialogue_answer)jc->verdict.answer) {
	case ANSWER_KNOWN:
		CHECK(makes_sense(ask) && ask->kind == ASK_NAME && ask->listener != 1 && jc->verdict.name[0]);
		return;
	case ANSWER_BAD_NAME: CHECK(makes_sense(ask) && ask->kind != ASK_RESUME && !jc->verdict.name[0]); return;
	case ANSWER_REFUSED: /* no token */
		CHECK(makes_sense(ask) && ask->kind == ASK_RESUME && is_wiped(ask) && !jc->verdict.used[0]);
		return;
	case ANSWER_UNAVAILABLE: CHECK(!makes_sense(ask)); return;
	case ANSWER_UNKNOWN:
	case ANSWER_IN:
	case ANSWER_BAD_SECRET:
	case ANSWER_FULL:
	case ANSWER_BUSY:
	case ANSWER_NEW_ACCOUNTS:
	case ANSWER_PENALTY: break;
	}
	CHECK(jc->verdict.answer == ANSWER_UNAVAILABLE); /* the others only the store can give */
}

/* What goes on to the store. */
static void check_case(const struct judge_case *jc)
{
	const struct ask *ask = &jc->ask;
	char again[NAME_BYTES_MAX + 1];

	CHECK(makes_sense(ask));
	if (ask->kind == ASK_RESUME) {
		CHECK(ask->secret_len == TOKEN_TEXT_LEN && is_wiped(ask) && strlen(jc->verdict.used) == TOKEN_MARK_LEN);
		CHECK(!jc->verdict.name[0] && !judge_would_create(jc));
		return;
	}
	CHECK(ask->kind == ASK_SECRET || ask->listener == 1);
	CHECK(!judge_would_create(jc) || (ask->kind == ASK_SECRET && ask->listener == 1 && ask->creates));
	CHECK(name_normalise(jc->verdict.name, strlen(jc->verdict.name), again) == 0);
	CHECK(strcmp(again, jc->verdict.name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct judge_case *jc = calloc(1, sizeof(*jc)); /* as the keeper has it */

	if (!jc)
		abort();
	memcpy(&jc->ask, data ? data : (const uint8_t *)"", len < sizeof(jc->ask) ? len : sizeof(jc->ask));
	jc->court = &court;
	memset(&jc->verdict, 0xa5, sizeof(jc->verdict));
	if (judge_at_once(jc))
		check_at_once(jc);
	else
		check_case(jc);
	CHECK(jc->verdict.id == jc->ask.id && jc->verdict.created == 0 && jc->verdict.news[0] == '\0');
	CHECK(jc->verdict.token[0] == '\0' && jc->verdict.issued[0] == '\0' && jc->verdict.delay_ms == 0);
	CHECK(memchr(jc->verdict.name, '\0', sizeof(jc->verdict.name)));
	CHECK(jc->account.name[0] == '\0' && !jc->failed);
	free(jc);
	return 0;
}
