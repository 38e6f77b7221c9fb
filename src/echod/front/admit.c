#include "admit.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "closing.h"
#include "echo.h"
#include "front_tls.h"
#include "login.h"
#include "worker.h"

static const char too_many[] = "421 Too many connections from your address: close some of them first\r\n";
static const char too_fast[] =
    "421 Too many connections from your address in so short a time: try again in a second\r\n";
static const char no_slot[] = "421 Too many logins under way: try again later\r\n";

struct admission {
	pthread_mutex_t lock; /* of all below */
	struct addresses *addresses;
	struct slots *slots;
	struct counters *counters;
};

static int make(struct admission *a, const struct order_config *config, uint32_t live)
{
	uint64_t seed[4];

	if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
		return -EIO;
	int err = addresses_create(&a->addresses, live, config->address_connections, config->address_rate, seed);
	/* what may be on its way to the workers, and an accepting turn */
	uint32_t bridge = config->workers * (uint32_t)WORKER_INBOX_MAX + WORKER_ARRIVALS_MAX;
	return err ? err : slots_create(&a->slots, a->addresses, config->login_slots, bridge);
}

int admit_open(struct front *front)
{
	struct admission *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	pthread_mutex_init(&a->lock, NULL);
	a->counters = front->counters;
	/* each connection is of one address, but for a moment when a relay's turns out to be another's */
	int err = make(a, &front->config, front->max_connections + FRONT_REFUSING_MAX + ORDER_WORKERS_MAX);
	if (err) {
		addresses_destroy(a->addresses);
		free(a);
		return err;
	}
	front->admission = a;
	return 0;
}

static struct admission *lock(struct front *front)
{
	pthread_mutex_lock(&front->admission->lock);
	return front->admission;
}

static void unlock(struct admission *a)
{
	atomic_store_explicit(&a->counters->login_slots, slots_taken(a->slots), memory_order_relaxed);
	atomic_store_explicit(&a->counters->addresses, addresses_live(a->addresses), memory_order_relaxed);
	pthread_mutex_unlock(&a->lock);
}

bool admit_is_relay(const struct order_listener *l, const struct peer *peer)
{
	return l->proxy_from.count > 0 && network_list_has(&l->proxy_from, peer);
}

bool admit_speaks_at_once(const struct order_listener *l)
{
	return !l->raw && !l->tls && l->proxy_from.count == 0;
}

bool admit_take_slot(struct front *front, const struct order_listener *l, const struct peer *peer, uint32_t worker,
                     uint16_t *slot)
{
	*slot = SLOTS_NONE;
	if (l->raw && !l->tls && !admit_is_relay(l, peer))
		return true;
	struct admission *a = lock(front);
	*slot = slots_take(a->slots, peer, worker);
	unlock(a);
	return *slot != SLOTS_NONE;
}

bool admit_choose(struct front *front, struct slots_hold *hold, uint32_t *worker)
{
	struct admission *a = lock(front);
	bool chosen = slots_choose(a->slots, hold, worker);

	unlock(a);
	return chosen;
}

void admit_bind_slot(struct connection *c, uint16_t slot)
{
	c->slot = slot;
	if (slot == SLOTS_NONE)
		return;
	struct admission *a = lock(c->worker->front);
	slots_bind(a->slots, slot, c);
	unlock(a);
}

void admit_drop_slot(struct front *front, uint16_t slot)
{
	if (slot == SLOTS_NONE)
		return;
	struct admission *a = lock(front);
	slots_give_back(a->slots, slot);
	unlock(a);
}

void admit_give_back_slot(struct connection *c)
{
	admit_drop_slot(c->worker->front, c->slot);
	c->slot = SLOTS_NONE;
}

void admit_leave(struct connection *c)
{
	if (!c->counted)
		return;
	struct admission *a = lock(c->worker->front);
	addresses_leave(a->addresses, &c->peer);
	unlock(a);
	c->counted = false;
}

void admit_evict(struct worker *w, struct slots_hold hold)
{
	struct admission *a = lock(w->front);
	struct connection *c = slots_holder(a->slots, hold);

	unlock(a);
	if (!c || c->user) /* it has gone on by itself, or is about to: it is in */
		return;
	closing_refuse(c, CLOSE_SLOTS, c->stage == STAGE_LOGIN ? no_slot : "");
}

static const struct order_listener *listener_of(const struct connection *c)
{
	return &c->worker->front->listener[c->listener];
}

/* Tells it so and ends it. Those who are told need room, and there is room for a few beside the real connections. */
static void refuse(struct connection *c, enum close_reason reason, const char *text)
{
	struct front *front = c->worker->front;
	const char *said = listener_of(c)->raw || listener_of(c)->tls ? "" : text;

	if (atomic_fetch_add(&front->refusing, 1) < FRONT_REFUSING_MAX) {
		c->over_limit = true;
		atomic_fetch_sub(&front->counters->open, 1);
		closing_refuse(c, reason, said);
	} else {
		atomic_fetch_sub(&front->refusing, 1);
		closing_turn_away(c, reason, said);
	}
}

/* The one place where a connection that has been let in goes on. */
static void go_on(struct connection *c)
{
	if (listener_of(c)->tls)
		front_tls_begin(c);
	else if (listener_of(c)->raw)
		echo_begin(c, NULL, 0);
	else
		login_begin(c);
}

/* Counts the connection for its address, and moves its slot there if it came by a relay. */
static enum addresses_verdict enter(struct connection *c, bool by_relay)
{
	struct worker *w = c->worker;
	enum addresses_verdict verdict = ADDRESSES_IN;
	bool is_limited = c->peer.family != AF_UNIX && (!c->path_is_local || w->front->config.limit_local);

	if (!is_limited && !by_relay)
		return verdict;
	struct admission *a = lock(w->front);
	if (by_relay && c->slot != SLOTS_NONE)
		slots_move(a->slots, c->slot, &c->peer);
	if (is_limited) {
		verdict = addresses_enter(a->addresses, &c->peer, w->loop.now_ms);
		c->counted = verdict == ADDRESSES_IN;
	}
	unlock(a);
	return verdict;
}

void admit_begin(struct connection *c, const struct peer *local, const struct peer *via)
{
	c->path_is_local = local && peer_path_is_local(&c->peer, local);
	connection_log_connect(c, via);
	switch (enter(c, via != NULL)) {
	case ADDRESSES_IN: go_on(c); break;
	case ADDRESSES_TOO_MANY: refuse(c, CLOSE_ADDRESS, too_many); break;
	case ADDRESSES_TOO_FAST: refuse(c, CLOSE_RATE, too_fast); break;
	}
}
