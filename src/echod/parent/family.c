#include "family.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "text.h"

static uint8_t register_open(const struct run *run, const struct listener *l)
{
	switch (run->options.registration) {
	case REGISTER_OPEN: return 1;
	case REGISTER_CLOSED: return 0;
	case REGISTER_BY_REACH: return l->local;
	}
	return 0;
}

static void send_config(struct run *run, struct child *child)
{
	const struct options *o = &run->options;
	struct order order = {.kind = ORDER_CONFIG};

	order.config = (struct order_config){.size = sizeof(struct order_config),
	                                     .workers = o->workers,
	                                     .listeners = run->listeners,
	                                     .log_level = (uint32_t)o->log_level,
	                                     .login_ms = o->login_ms,
	                                     .stall_ms = o->stall_ms,
	                                     .drain_ms = o->drain_ms,
	                                     .busy_poll_us = o->busy_poll_us,
	                                     .address_failures = o->address_failures,
	                                     .account_failures = o->account_failures,
	                                     .failure_delay_ms = o->failure_delay_ms,
	                                     .max_connections = o->max_connections,
	                                     .address_connections = o->address_connections,
	                                     .address_rate = o->address_rate,
	                                     .login_slots = o->login_slots,
	                                     .unread_bytes = (uint64_t)o->unread_mib * 1024 * 1024,
	                                     .hash_kib = o->hash_kib,
	                                     .hash_passes = o->hash_passes,
	                                     .token_life_ms = o->token_life_ms,
	                                     .max_accounts = o->max_accounts,
	                                     .address_accounts = o->address_accounts,
	                                     .limit_local = o->limit_local,
	                                     .may_create_store = !run->store_seen,
	                                     .allow_cleartext = o->allow_cleartext};
	for (uint32_t i = 0; i < run->listeners; i++)
		order.config.register_open[i] = register_open(run, &run->listener[i]);
	text_copy(order.config.accounts, sizeof(order.config.accounts), o->accounts);
	child_order(child, &order, run->log_fd);
	order = (struct order){.kind = ORDER_COUNTERS};
	child_order(child, &order, run->counters_fd);
}

static void send_listeners(struct run *run)
{
	for (uint32_t i = 0; i < run->listeners; i++) {
		const struct listener *l = &run->listener[i];
		const struct options *o = &run->options;
		struct order order = {.kind = ORDER_LISTENER, .index = i};
		order.listener.raw = l->address.raw;
		order.listener.tls = l->address.tls;
		order.listener.proxy_from = o->proxy_from[i];
		order.listener.idle_ms = !l->address.raw              ? o->login_idle_ms
		                         : l->local && !o->idle_given ? 0
		                                                      : o->idle_ms;
		memcpy(order.listener.address, l->text, sizeof(l->text));
		child_order(&run->front, &order, l->fd);
	}
}

/* A fresh pair for each worker; what was asked over an older one has been answered 451 or is answered to nobody. */
static void join_children(struct run *run)
{
	int ends[2];

	if (run->front.fd < 0 || run->keeper.fd < 0)
		return;
	for (uint32_t i = 0; i < run->options.workers; i++) {
		struct order order = {.kind = ORDER_LINK, .index = i};
		if (channel_pair(ends)) {
			log_event(run->log, LOG_ERROR, "link", "no descriptor for the link between front and keeper");
			kill(run->keeper.pid, SIGKILL); /* and is joined when it starts again */
			return;
		}
		child_order(&run->front, &order, ends[0]);
		child_order(&run->keeper, &order, ends[1]);
		close(ends[0]);
		close(ends[1]);
	}
}

int family_start(struct run *run, struct child *child)
{
	struct order start = {.kind = ORDER_START};
	int err = child_start(child, run->loop.now_ms);

	if (err)
		return err;
	child->source.fd = child->fd;
	err = loop_add(&run->loop, &child->source, EPOLLIN);
	if (err) {
		child_hang_up(child);
		return err;
	}
	send_config(run, child);
	if (child == &run->front) {
		send_listeners(run);
		family_send_certificate(run);
	}
	join_children(run);
	child_order(child, &start, -1);
	return 0;
}

void family_send_log(struct run *run)
{
	struct order order = {.kind = ORDER_LOG};

	child_order(&run->front, &order, run->log_fd);
	child_order(&run->keeper, &order, run->log_fd);
}

void family_send_certificate(struct run *run)
{
	struct order order = {.kind = ORDER_TLS, .value = run->certificate.size};

	if (run->certificate.fd >= 0)
		child_order(&run->front, &order, run->certificate.fd);
}

void family_clear_gauges(struct run *run, const struct child *child)
{
	struct counters *c = run->counters;

	if (child == &run->keeper) {
		atomic_store(&c->sandbox_keeper, 0);
		atomic_store(&c->hash_queue, 0);
		atomic_store(&c->name_queue, 0);
		return;
	}
	atomic_store(&c->open, 0);
	atomic_store(&c->login_slots, 0);
	atomic_store(&c->addresses, 0);
	atomic_store(&c->sandbox_front, 0);
	for (uint32_t i = 0; i < run->options.workers; i++) {
		struct worker_counters *w = &c->worker[i];
		counters_add(&w->bytes_dropped, counters_get(&w->held_bytes));
		atomic_store(&w->holding, 0);
		atomic_store(&w->held_bytes, 0);
		atomic_store(&w->unread, 0);
		for (int stage = 0; stage < STAGE_COUNT; stage++)
			atomic_store(&w->in_stage[stage], 0);
	}
}
