/* What control clients ask of the keeper, with neither: what is sent and answered is written down here. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "question.h"

#define SENT_MAX 16

struct world {
	struct loop loop;
	struct child keeper;
	struct questions questions;
	struct control_client client[4];
	char *answer[4]; /* what each was told last; owned */
	int answers;
	struct order sent[SENT_MAX];
	int orders;
};

static struct world *world; /* the stubs have no argument of ours */

void child_order(struct child *child, const struct order *order, int pass_fd)
{
	assert_ptr_equal(child, &world->keeper);
	assert_int_equal(pass_fd, -1);
	assert_true(world->orders < SENT_MAX);
	world->sent[world->orders++] = *order;
}

void control_answer(struct control_client *client, struct document answer)
{
	long i = client - world->client;

	free(world->answer[i]);
	world->answer[i] = answer.text;
	world->answers++;
	assert_int_equal(strlen(answer.text), answer.len);
	assert_int_equal(answer.text[answer.len - 1], '\n');
}

static int set_up(void **state)
{
	world = calloc(1, sizeof(*world));
	*state = world;
	assert_int_equal(loop_init(&world->loop), 0);
	world->keeper.ready = true;
	question_init(&world->questions, &world->loop, &world->keeper);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	question_keeper_ended(&world->questions);
	for (int i = 0; i < 4; i++)
		free(world->answer[i]);
	loop_fini(&world->loop);
	free(world);
	return 0;
}

static void ask(enum order_kind kind, const char *name, int client)
{
	question_ask(&world->questions, kind, name, &world->client[client]);
}

static void hear(enum order_kind kind, int64_t value, const char *text)
{
	struct order order = {.kind = (uint32_t)kind, .value = (uint64_t)value};

	snprintf(order.text, sizeof(order.text), "%s", text);
	question_heard(&world->questions, &order);
}

static void pass(uint64_t ms)
{
	world->loop.now_ms += ms;
	deadline_advance(&world->loop.wheel, world->loop.now_ms);
}

static void assert_told(int client, const char *part)
{
	assert_non_null(world->answer[client]);
	if (!strstr(world->answer[client], part))
		fail_msg("'%s' is not in '%s'", part, world->answer[client]);
}

static void test_revoke(void **state)
{
	(void)state;
	ask(ORDER_REVOKE, "анна", 0);
	assert_int_equal(world->orders, 1);
	assert_int_equal(world->sent[0].kind, ORDER_REVOKE);
	assert_string_equal(world->sent[0].text, "анна");
	assert_null(world->answer[0]);
	hear(ORDER_DONE, 2, "");
	assert_string_equal(world->answer[0], "{\"revoked\": 2}\n");
	ask(ORDER_REVOKE, "анна", 0);
	hear(ORDER_DONE, -ENOENT, "");
	assert_told(0, "no account анна");
	assert_told(0, "\"status\": 4}");
	ask(ORDER_REVOKE, "anna", 0);
	hear(ORDER_DONE, -EBUSY, "");
	assert_told(0, strerror(EBUSY));
	assert_told(0, "\"status\": 1}");
	ask(ORDER_REVOKE, "anna", 0);
	hear(ORDER_DONE, INT64_MIN, "");
	assert_told(0, strerror(EIO));
}

static void test_one_at_a_time_in_order(void **state)
{
	(void)state;
	ask(ORDER_REVOKE, "a", 0);
	ask(ORDER_PENALTIES, "", 1);
	ask(ORDER_CLEAR_PENALTIES, "", 2);
	assert_int_equal(world->orders, 1);
	hear(ORDER_PENALTY, 0, "{\"not\": \"asked for\"}");
	hear(ORDER_DONE, 1, "");
	assert_told(0, "{\"revoked\": 1}");
	assert_int_equal(world->orders, 2);
	hear(ORDER_PENALTY, 0, "{\"address\": \"192.0.2.1\"}");
	hear(ORDER_PENALTY, 0, "{\"account\": \"anna\"}");
	hear(ORDER_DONE, 2, "");
	assert_string_equal(world->answer[1], "{\"schema\": \"echod.penalties/1\", \"penalties\": [{\"address\": "
	                                      "\"192.0.2.1\"}, {\"account\": \"anna\"}], \"more\": 0}\n");
	assert_int_equal(world->sent[2].kind, ORDER_CLEAR_PENALTIES);
	hear(ORDER_DONE, 5, "");
	assert_string_equal(world->answer[2], "{\"cleared\": 5}\n");
	hear(ORDER_DONE, 7, ""); /* nobody asked */
	hear(ORDER_PENALTY, 0, "{}");
	assert_int_equal(world->answers, 3);
}

static void test_a_list_is_bounded_by_lines(void **state)
{
	(void)state;
	ask(ORDER_PENALTIES, "", 0);
	for (int i = 0; i < 65536; i++)
		hear(ORDER_PENALTY, 0, "{}");
	hear(ORDER_DONE, 65536, "");
	assert_told(0, "\"more\": 64536}");
	const char *last = strstr(world->answer[0], "{}], ");
	assert_non_null(last);
	assert_int_equal(last - strstr(world->answer[0], "[{}"), (QUESTION_LINES_MAX - 1) * 4 + 1);
}

static void test_a_list_is_bounded_by_bytes(void **state)
{
	char line[ORDER_TEXT_MAX];

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line, "{\"", 2);
	memcpy(line + sizeof(line) - 6, "\": 1}", 6);
	ask(ORDER_PENALTIES, "", 0);
	for (int i = 0; i < 900; i++)
		hear(ORDER_PENALTY, 0, line);
	hear(ORDER_DONE, 900, "");
	assert_true(strlen(world->answer[0]) < QUESTION_BYTES_MAX + 2 * ORDER_TEXT_MAX);
	assert_null(strstr(world->answer[0], "\"more\": 0}"));
}

static void test_what_is_no_object_is_not_listed(void **state)
{
	static const char *const bad[] = {"", "{", "}", "x", "[]", "{\x1b[2J}", "{\n}", "{} ", "{}{"};

	(void)state;
	ask(ORDER_PENALTIES, "", 0);
	for (size_t i = 0; i < array_size(bad); i++)
		hear(ORDER_PENALTY, 0, bad[i]);
	hear(ORDER_DONE, 0, "");
	assert_told(0, "\"penalties\": [], \"more\": 0}");
}

static void test_no_keeper(void **state)
{
	(void)state;
	world->keeper.ready = false;
	ask(ORDER_PENALTIES, "", 0);
	assert_told(0, "\"status\": 3}");
	assert_int_equal(world->orders, 0);
}

/* The answer that comes late is not taken for the next question's. */
static void test_a_late_answer(void **state)
{
	(void)state;
	ask(ORDER_REVOKE, "a", 0);
	pass(QUESTION_TIME_MS - 1000);
	ask(ORDER_CLEAR_PENALTIES, "", 1);
	assert_null(world->answer[0]);
	pass(1100);
	assert_told(0, "does not answer");
	assert_null(world->answer[1]);
	assert_int_equal(world->orders, 1);
	hear(ORDER_DONE, 1, "");
	assert_null(world->answer[1]);
	assert_int_equal(world->orders, 2);
	hear(ORDER_DONE, 9, "");
	assert_told(1, "{\"cleared\": 9}");
	assert_int_equal(world->answers, 2);
}

static void test_late_behind_another(void **state)
{
	(void)state;
	ask(ORDER_REVOKE, "a", 0);
	ask(ORDER_REVOKE, "b", 1);
	pass(QUESTION_TIME_MS + 100);
	assert_told(0, "does not answer");
	assert_told(1, "does not answer");
	hear(ORDER_DONE, 1, "");
	assert_int_equal(world->orders, 1); /* what nobody waits for is not asked */
	assert_int_equal(world->answers, 2);
}

static void test_withdrawn(void **state)
{
	(void)state;
	ask(ORDER_REVOKE, "a", 0);
	ask(ORDER_REVOKE, "b", 1);
	ask(ORDER_REVOKE, "c", 2);
	question_withdraw(&world->questions, &world->client[0]); /* under way */
	question_withdraw(&world->questions, &world->client[1]);
	question_withdraw(&world->questions, &world->client[3]); /* has asked nothing */
	assert_int_equal(world->orders, 1);
	hear(ORDER_DONE, 1, "");
	assert_int_equal(world->orders, 2);
	assert_string_equal(world->sent[1].text, "c");
	hear(ORDER_DONE, 3, "");
	assert_told(2, "{\"revoked\": 3}");
	assert_int_equal(world->answers, 1);
}

static void test_the_keeper_ends(void **state)
{
	(void)state;
	ask(ORDER_REVOKE, "a", 0);
	ask(ORDER_PENALTIES, "", 1);
	question_keeper_ended(&world->questions);
	assert_told(0, "ended meanwhile");
	assert_told(1, "ended meanwhile");
	assert_int_equal(world->orders, 1);
	ask(ORDER_REVOKE, "b", 2);
	assert_int_equal(world->orders, 2);
	hear(ORDER_DONE, 1, "");
	assert_told(2, "{\"revoked\": 1}");
	pass(2 * QUESTION_TIME_MS);
	assert_int_equal(world->answers, 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_revoke),
	    TEST(test_one_at_a_time_in_order),
	    TEST(test_a_list_is_bounded_by_lines),
	    TEST(test_a_list_is_bounded_by_bytes),
	    TEST(test_what_is_no_object_is_not_listed),
	    TEST(test_no_keeper),
	    TEST(test_a_late_answer),
	    TEST(test_late_behind_another),
	    TEST(test_withdrawn),
	    TEST(test_the_keeper_ends),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
