#include "supervise.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "channel.h"
#include "ending.h"
#include "family.h"
#include "logfile.h"
#include "ready.h"
#include "words.h"

#define LAST_WORDS 8

static void be_ready(struct run *run)
{
	bool all = run->front.ready && (!run->has_keeper || run->keeper.ready);

	if (!all || run->phase != RUN_STARTING)
		return;
	run->phase = RUN_SERVING;
	int err = ready_tell(run);
	if (err) {
		run_fail(run, RUN_FAILED, _("cannot write the port file %s: %s; give another with --port-file."),
		         run->options.port_file, words_error(-err));
		ending_begin(run);
	}
	words_stay_english(); /* for what is said from here on is the log's and the control socket's */
}

static void child_said(struct run *run, struct child *child, const struct order *order)
{
	switch ((enum order_kind)order->kind) {
	case ORDER_READY:
		child->ready = true;
		if (child == &run->keeper)
			run->store_seen = true;
		be_ready(run);
		return;
	case ORDER_FAILED:
		if (run->phase == RUN_STARTING) {
			run_fail(run, RUN_FAILED, "%s", order->text);
			ending_begin(run);
		} else {
			log_event(run->log, LOG_ERROR, "child_failed", "%s: %s", child->program, order->text);
		}
		return;
	case ORDER_DRAINED:
		if (order->value > 0)
			run->status = RUN_FAILED;
		ending_begin(run);
		return;
	case ORDER_CONFIG:
	case ORDER_COUNTERS:
	case ORDER_LISTENER:
	case ORDER_LINK:
	case ORDER_START:
	case ORDER_LOG:
	case ORDER_DRAIN:
	case ORDER_TLS:
	case ORDER_REVOKE:
	case ORDER_PENALTIES:
	case ORDER_CLEAR_PENALTIES: return;
	case ORDER_PENALTY:
	case ORDER_DONE:
		if (child == &run->keeper)
			question_heard(&run->questions, order);
		return;
	}
}

/* Takes one message; returns whether there was one. */
static bool child_ready(struct run *run, struct child *child)
{
	struct order order;
	int err = channel_receive(child->fd, &order, sizeof(order), NULL, 1);

	if (err == -EAGAIN)
		return false;
	if (err == -ECONNRESET) /* it ended with orders unread; what it said before stands behind this */
		return true;
	if (err) { /* it is ending; SIGCHLD says when it has */
		loop_remove(&run->loop, &child->source);
		child_hang_up(child);
		return false;
	}
	order.text[sizeof(order.text) - 1] = '\0';
	child_said(run, child, &order);
	return true;
}

static void front_ready(struct loop_source *source, uint32_t events)
{
	struct run *run = container_of(source, struct run, front.source);

	(void)events;
	child_ready(run, &run->front);
}

static void keeper_ready(struct loop_source *source, uint32_t events)
{
	struct run *run = container_of(source, struct run, keeper.source);

	(void)events;
	child_ready(run, &run->keeper);
}

static int say_not_started(struct run *run, const struct child *child, int err)
{
	if (err)
		run_fail(run, RUN_FAILED, _("cannot start %s: %s; install it beside echod."), child->program,
		         words_error(-err));
	return err;
}

int supervise_start(struct run *run, struct child *child)
{
	return say_not_started(run, child, family_start(run, child));
}

int supervise_find(struct run *run)
{
	int err = run->has_keeper ? say_not_started(run, &run->keeper, child_find(&run->keeper)) : 0;

	return err ? err : say_not_started(run, &run->front, child_find(&run->front));
}

static void restart(struct run *run, struct child *child)
{
	if (run->phase != RUN_SERVING || child->pid)
		return;
	int err = family_start(run, child);
	if (err) {
		log_event(run->log, LOG_ERROR, "restart", "cannot start %s: %s; trying again", child->program,
		          strerror(-err));
		loop_arm(&run->loop, &child->restart, child_backoff_ms(child, run->loop.now_ms));
	}
}

static void restart_front(struct deadline *d)
{
	struct run *run = container_of(d, struct run, front.restart);

	restart(run, &run->front);
}

static void restart_keeper(struct deadline *d)
{
	struct run *run = container_of(d, struct run, keeper.restart);

	restart(run, &run->keeper);
}

bool supervise_all_ended(const struct run *run)
{
	return !run->front.pid && !run->keeper.pid;
}

static void child_ended(struct run *run, struct child *child, int how)
{
	bool killed = WIFSIGNALED(how);

	child->pid = 0;
	child->ready = false;
	/* It may have said why before it ended: a few words at most. */
	for (int i = 0; i < LAST_WORDS && child->fd >= 0 && child_ready(run, child); i++)
		;
	if (child->fd >= 0) {
		loop_remove(&run->loop, &child->source);
		child_hang_up(child);
	}
	family_clear_gauges(run, child);
	if (child == &run->keeper)
		question_keeper_ended(&run->questions);
	if (run->phase == RUN_ENDING) {
		if (supervise_all_ended(run))
			loop_stop(&run->loop);
		return;
	}
	log_event(run->log, LOG_ERROR, "child_ended", "%s ended by %s %d", child->program, killed ? "signal" : "status",
	          killed ? WTERMSIG(how) : WEXITSTATUS(how));
	if (run->phase == RUN_STARTING) {
		run_fail(run, RUN_FAILED,
		         killed ? _("%s ended by signal %d before it was ready; the log (%s) may say why.")
		                : _("%s ended by status %d before it was ready; the log (%s) may say why."),
		         child->program, killed ? WTERMSIG(how) : WEXITSTATUS(how), logfile_name(run));
		ending_begin(run);
	} else if (run->phase == RUN_DRAINING && child == &run->front) {
		run->status = RUN_FAILED;
		ending_begin(run);
	} else if (run->phase == RUN_SERVING) {
		uint64_t wait_ms = child_backoff_ms(child, run->loop.now_ms);
		if (wait_ms)
			loop_arm(&run->loop, &child->restart, wait_ms);
		else
			restart(run, child);
	}
}

void supervise_reap(struct run *run)
{
	struct child *children[] = {&run->front, &run->keeper};

	for (size_t i = 0; i < array_size(children); i++) {
		int how;
		if (children[i]->pid && waitpid(children[i]->pid, &how, WNOHANG) == children[i]->pid)
			child_ended(run, children[i], how);
	}
}

void supervise_init(struct run *run)
{
	run->front = (struct child){.program = "echod-front", .fd = -1, .program_fd = -1, .source.ready = front_ready};
	run->keeper =
	    (struct child){.program = "echod-keeper", .fd = -1, .program_fd = -1, .source.ready = keeper_ready};
	deadline_init(&run->front.restart, restart_front);
	deadline_init(&run->keeper.restart, restart_keeper);
}

void supervise_fini(struct run *run)
{
	child_forget(&run->front);
	child_forget(&run->keeper);
}
