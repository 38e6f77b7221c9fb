/*
 * What a control client wants of the keeper: asked one at a time, in the order of asking, and answered to the client as
 * a document. The parent never waits for it. The keeper's words are not trusted: what was not asked for is not heard,
 * and what is kept of an answer is bounded.
 */
#ifndef PARENT_QUESTION_H
#define PARENT_QUESTION_H

#include "child.h"
#include "control.h"
#include "loop.h"

/* For the answer, from the asking: a store that another process keeps locked is waited for 5 s (STORE_BUSY_MS). */
#define QUESTION_TIME_MS 7000
/* Of penalties, the first so many, and so many bytes; the others are counted. echoctl takes 1 MiB. */
#define QUESTION_LINES_MAX 1000
#define QUESTION_BYTES_MAX (512 * 1024)

/* One of each client of the control socket (CONTROL_CLIENTS), and one whose client has gone. */
#define QUESTIONS_MAX 16

struct question;

struct questions {
	struct loop *loop;
	struct child *keeper;
	struct question *queue[QUESTIONS_MAX]; /* the first has been sent to the keeper, those behind it have not */
	unsigned count;                        /* <= QUESTIONS_MAX */
};

void question_init(struct questions *, struct loop *, struct child *keeper);
/*
 * Asks ORDER_REVOKE (name: the account, as the line gave it and at most WIRE_NAME_BYTES_MAX bytes), ORDER_PENALTIES or
 * ORDER_CLEAR_PENALTIES (name: empty). The client gets its answer by control_answer: at once where there is no keeper
 * to ask, and an error where the keeper ends or is late.
 */
void question_ask(struct questions *, enum order_kind, const char *name, struct control_client *);
/* The keeper said ORDER_PENALTY or ORDER_DONE; text ends in NUL. */
void question_heard(struct questions *, const struct order *);
/* The client has gone: nobody is answered. What the keeper has been told, it does. */
void question_withdraw(struct questions *, const struct control_client *);
/* The keeper has ended: all are told so. */
void question_keeper_ended(struct questions *);

#endif
