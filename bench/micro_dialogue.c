/* What the login parser costs: a whole dialogue (greeting, USER, PASS), and one command that is answered at once. */
#include "dialogue.h"
#include "micro.h"

static const uint8_t LOGIN[] = "USER anna\r\nPASS correct horse\r\n", NOOP[] = "NOOP\r\n";

static enum dialogue_step log_in(struct dialogue *d, struct dialogue_reply *reply)
{
	enum dialogue_step step;

	dialogue_init(d, true, 0);
	dialogue_greet("localhost", reply);
	dialogue_feed(d, LOGIN, sizeof LOGIN - 1);
	while ((step = dialogue_next(d, reply)) != DIALOGUE_MORE) {
		if (step == DIALOGUE_ASK_NAME)
			step = dialogue_answer(d, &(struct dialogue_said){.answer = ANSWER_KNOWN}, reply);
		else if (step == DIALOGUE_ASK_SECRET)
			step = dialogue_answer(d, &(struct dialogue_said){.answer = ANSWER_IN}, reply);
		if (step == DIALOGUE_IN)
			return step;
	}
	return step;
}

static void time_logins(uint64_t count)
{
	struct dialogue d;
	struct dialogue_reply reply;

	uint64_t begin_ns = micro_now_ns();
	for (uint64_t i = 0; i < count; i++) {
		if (log_in(&d, &reply) != DIALOGUE_IN)
			exit(1);
	}
	micro_report("dialogue_login", begin_ns, count);
}

static void time_commands(uint64_t count)
{
	struct dialogue d;
	struct dialogue_reply reply;

	dialogue_init(&d, true, 0);
	uint64_t begin_ns = micro_now_ns();
	for (uint64_t i = 0; i < count; i++) {
		if (dialogue_room(&d) < sizeof NOOP - 1)
			exit(1);
		dialogue_feed(&d, NOOP, sizeof NOOP - 1);
		while (dialogue_next(&d, &reply) != DIALOGUE_MORE)
			micro_keep(reply.len);
	}
	micro_report("dialogue_command", begin_ns, count);
}

int main(int argc, char **argv)
{
	uint64_t count = micro_count(argc, argv, 500000);

	if (micro_wants(argc, argv, "dialogue_login"))
		time_logins(count);
	if (micro_wants(argc, argv, "dialogue_command"))
		time_commands(count);
	return 0;
}
