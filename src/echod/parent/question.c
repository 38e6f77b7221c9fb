#include "question.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

struct question {
	struct questions *all;
	struct control_client *client; /* NULL: has gone, or has been told that the keeper is late */
	struct deadline deadline;
	struct order order;
	/* penalties */
	FILE *out;
	struct document list;
	uint64_t listed, more;
};

static void tell(struct question *q, struct document answer)
{
	struct control_client *client = q->client;

	q->client = NULL;
	if (client)
		control_answer(client, answer);
	else
		free(answer.text);
}

/* Ends the question at a place of the queue. */
static void destroy(struct questions *all, unsigned at)
{
	struct question *q = all->queue[at];

	all->count--;
	memmove(&all->queue[at], &all->queue[at + 1], (all->count - at) * sizeof(struct question *));
	loop_disarm(all->loop, &q->deadline);
	if (q->out)
		fclose(q->out);
	free(q->list.text);
	free(q);
}

static void ask_first(struct questions *all)
{
	if (all->count > 0)
		child_order(all->keeper, &all->queue[0]->order, -1);
}

/* One that has been sent stays, so that its answer is not taken for the next one's. */
static void is_late(struct deadline *d)
{
	struct question *q = container_of(d, struct question, deadline);

	tell(q, document_error(DOCUMENT_FAILED,
	                       "The accounts' process does not answer; what was asked may still be done: try again, "
	                       "or look into the log."));
	for (unsigned i = 1; i < q->all->count; i++) {
		if (q->all->queue[i] == q) {
			destroy(q->all, i);
			return;
		}
	}
}

static void open_list(struct question *q)
{
	q->out = open_memstream(&q->list.text, &q->list.len);
	if (q->out)
		fputs("{\"schema\": \"echod.penalties/1\", \"penalties\": [", q->out);
}

void question_init(struct questions *all, struct loop *loop, struct child *keeper)
{
	*all = (struct questions){.loop = loop, .keeper = keeper};
}

void question_ask(struct questions *all, enum order_kind kind, const char *name, struct control_client *client)
{
	bool may = all->keeper->ready && all->count < QUESTIONS_MAX;
	struct question *q = may ? calloc(1, sizeof(*q)) : NULL;

	if (!q) {
		control_answer(client, document_error(DOCUMENT_UNREACHABLE,
		                                      all->keeper->ready
		                                          ? "There is no memory to ask with; free some."
		                                          : "The accounts' process is not there: try again soon, or "
		                                            "look into the log."));
		return;
	}
	q->all = all;
	q->client = client;
	q->order.kind = (uint32_t)kind;
	(void)text_copy(q->order.text, sizeof(q->order.text), name);
	deadline_init(&q->deadline, is_late);
	loop_arm(all->loop, &q->deadline, QUESTION_TIME_MS);
	if (kind == ORDER_PENALTIES)
		open_list(q);
	all->queue[all->count++] = q;
	if (all->count == 1)
		ask_first(all);
}

/* An object on one line, or nothing that an admin's terminal should see. */
static bool is_object(const char *text)
{
	size_t len = strlen(text);

	for (const char *c = text; *c; c++) {
		if ((unsigned char)*c < 0x20)
			return false;
	}
	return len >= 2 && text[0] == '{' && text[len - 1] == '}';
}

static void list_penalty(struct question *q, const char *text)
{
	if (!q->out || !is_object(text))
		return;
	if (q->listed == QUESTION_LINES_MAX || (size_t)ftell(q->out) + strlen(text) > QUESTION_BYTES_MAX)
		return;
	fprintf(q->out, "%s%s", q->listed++ ? ", " : "", text);
}

static struct document no_memory(void)
{
	return document_error(DOCUMENT_FAILED, "There is no memory for the answer; free some.");
}

static struct document close_list(struct question *q)
{
	struct document list;

	if (!q->out)
		return no_memory();
	fprintf(q->out, "], \"more\": %llu}\n", (unsigned long long)q->more);
	int err = fclose(q->out);
	q->out = NULL;
	list = q->list;
	q->list.text = NULL;
	if (!err)
		return list;
	free(list.text);
	return no_memory();
}

static struct document refusal(const struct question *q, int err)
{
	if (err == -ENOENT)
		return document_error(DOCUMENT_ACCOUNT,
		                      "There is no account %s; 'echoctl user list' shows those that there are.",
		                      q->order.text);
	return document_error(DOCUMENT_FAILED,
	                      "The accounts' process could not do it: %s; try again, or look into the log.",
	                      strerror(-err));
}

static struct document done(struct question *q, int64_t value)
{
	if (value < 0)
		return refusal(q, value < -4095 ? -EIO : (int)value); /* no errno is beyond that */
	if (q->order.kind == ORDER_PENALTIES) {
		q->more = (uint64_t)value > q->listed ? (uint64_t)value - q->listed : 0;
		return close_list(q);
	}
	return document_print("{\"%s\": %lld}", q->order.kind == ORDER_REVOKE ? "revoked" : "cleared",
	                      (long long)value);
}

void question_heard(struct questions *all, const struct order *order)
{
	if (all->count == 0)
		return;
	struct question *q = all->queue[0];
	if (order->kind == ORDER_PENALTY) {
		list_penalty(q, order->text);
		return;
	}
	tell(q, done(q, (int64_t)order->value));
	destroy(all, 0);
	ask_first(all);
}

void question_withdraw(struct questions *all, const struct control_client *client)
{
	for (unsigned i = 0; i < all->count; i++) {
		struct question *q = all->queue[i];
		if (q->client != client)
			continue;
		q->client = NULL;
		if (i > 0)
			destroy(all, i);
		return;
	}
}

void question_keeper_ended(struct questions *all)
{
	while (all->count > 0) {
		tell(all->queue[0],
		     document_error(DOCUMENT_FAILED, "The accounts' process ended meanwhile; it is started again: try "
		                                     "again, or look into the log."));
		destroy(all, 0);
	}
}
