#include "ending.h"

#include <signal.h>
#include <string.h>

#include "ready.h"
#include "supervise.h"

/* Beyond the drain's own time, for the front to say that it is done; and for the keeper to finish what it does. */
#define FRONT_PATIENCE_MS  2000
#define KEEPER_PATIENCE_MS 7000 /* a store that another process keeps locked is waited for 5 s */
#define FORCED_PATIENCE_MS 200

static void close_listeners(struct run *run)
{
	for (uint32_t i = 0; i < run->listeners; i++) {
		int err = listen_close(&run->listener[i]);
		if (err)
			log_event(run->log, LOG_WARNING, "socket_left",
			          "cannot remove %s: %s; the next server there does", run->listener[i].text,
			          strerrordesc_np(-err));
	}
	ready_take_back(run);
}

static void kill_child(const struct child *child)
{
	if (child->pid)
		kill(child->pid, SIGKILL);
}

static void patience_is_over(struct deadline *d)
{
	struct run *run = container_of(d, struct run, patience);

	run->status = RUN_FAILED;
	kill_child(&run->front);
	if (run->phase == RUN_ENDING)
		kill_child(&run->keeper);
}

void ending_begin(struct run *run)
{
	if (run->phase == RUN_ENDING)
		return;
	if (run->phase < RUN_DRAINING)
		close_listeners(run);
	run->phase = RUN_ENDING;
	struct child *children[] = {&run->front, &run->keeper};
	for (size_t i = 0; i < array_size(children); i++) {
		loop_disarm(&run->loop, &children[i]->restart);
		if (children[i]->fd >= 0)
			loop_remove(&run->loop, &children[i]->source);
		child_hang_up(children[i]);
	}
	loop_arm(&run->loop, &run->patience, KEEPER_PATIENCE_MS);
	if (supervise_all_ended(run))
		loop_stop(&run->loop);
}

void ending_drain(struct run *run)
{
	struct order drain = {.kind = ORDER_DRAIN};

	if (run->phase == RUN_STARTING || !run->front.pid) {
		ending_begin(run);
		return;
	}
	close_listeners(run);
	run->phase = RUN_DRAINING;
	log_event(run->log, LOG_INFO, "drain", "no new connections; those that are open may take what waits for them");
	loop_disarm(&run->loop, &run->front.restart);
	loop_disarm(&run->loop, &run->keeper.restart);
	child_order(&run->front, &drain, -1);
	loop_arm(&run->loop, &run->patience, run->options.drain_ms + FRONT_PATIENCE_MS);
}

void ending_force(struct run *run)
{
	log_event(run->log, LOG_WARNING, "forced", "ending at once: what clients have not taken is lost");
	run->status = RUN_FAILED;
	ending_begin(run);
	kill_child(&run->front);
	loop_arm(&run->loop, &run->patience, FORCED_PATIENCE_MS);
}

void ending_init(struct run *run)
{
	deadline_init(&run->patience, patience_is_over);
}
