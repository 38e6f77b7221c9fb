/* echod-keeper: the accounts' process. Takes questions from the front's workers, has them judged, and sends verdicts.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "channel.h"
#include "clock.h"
#include "counters.h"
#include "front_link.h"
#include "judge.h"
#include "loop.h"
#include "orders.h"
#include "program.h"
#include "stamps.h"
#include "text.h"

#define HASH_QUEUE     64   /* passwords that may wait; full means 421 at once */
#define NAME_QUEUE     1024 /* names that may wait: each costs microseconds */
#define HASH_NICE      5    /* a hash yields to an echo */
#define STAMP_EVERY_MS 1000

/* Stamps that are gathered, or on their way to the store; the two change places. */
struct stamp_job {
	struct pool_job job; /* first */
	struct stamps stamps;
	bool failed;
};

struct keeper {
	struct loop loop;
	struct loop_source parent, done;
	struct order_config config;
	struct judge_court court;
	struct counters *counters;
	int log_fd;
	bool started;
	struct pool *hash_pool, *name_pool, *stamp_pool;
	struct front_link link[ORDER_WORKERS_MAX];
	struct stamp_job stamp_job[2], *gathering, *stamping; /* stamping is NULL while none is under way */
	struct deadline stamp_time;
	_Atomic uint64_t stamp_gauge;
};

static void tell_parent(enum order_kind kind, const char *text)
{
	struct order order = {.kind = (uint32_t)kind};

	text_copy(order.text, sizeof(order.text), text);
	int err = channel_send(ORDER_FD, &order, sizeof(order), -1, 0);
	if (err == -EBADF || err == -ENOTSOCK)
		program_say("echod-keeper", "cannot start: this program is started by echod, not by hand");
	if (err)
		_exit(1); /* the parent would wait for it for ever; so it sees us end */
}

static _Noreturn void fail(struct keeper *k, const char *sentence)
{
	tell_parent(ORDER_FAILED, sentence);
	log_finish(k->court.log);
	_exit(1);
}

/* What the user should know of this account: its last login, and the failures since. */
static void tell_news(struct judge_case *jc)
{
	const struct account *a = &jc->account;
	char when[CLOCK_TEXT_MAX], from[STORE_ADDRESS_MAX];

	if (!a->last_login_us && !a->failures)
		return;
	clock_format_s(when, a->last_login_us);
	text_escape(from, sizeof(from), a->last_address,
	            strlen(a->last_address)); /* a damaged store may hold anything */
	if (!a->last_login_us)
		snprintf(jc->verdict.news, sizeof(jc->verdict.news), "Failed logins before this first one: %lld",
		         (long long)a->failures);
	else
		snprintf(jc->verdict.news, sizeof(jc->verdict.news), "Last login %s from %s; failed logins since: %lld",
		         when, from, (long long)a->failures);
}

static void stamp(struct keeper *k, struct judge_case *jc)
{
	struct stamps *gathered = &k->gathering->stamps;
	char address[PEER_TEXT_MAX];

	if (jc->verdict.answer == ANSWER_IN) {
		peer_format(&jc->ask.peer, address);
		if (k->stamping) /* the older ones first */
			stamps_apply(&k->stamping->stamps, &jc->account);
		stamps_apply(gathered, &jc->account);
		tell_news(jc);
		stamps_login(gathered, jc->verdict.name, address, clock_wall_us());
	} else if (jc->failed) {
		stamps_failure(gathered, jc->verdict.name);
	} else {
		return;
	}
	if (!deadline_armed(&k->stamp_time))
		loop_arm(&k->loop, &k->stamp_time, STAMP_EVERY_MS);
}

static void judged(struct keeper *k, struct judge_case *jc)
{
	if (jc->ask.kind == ASK_SECRET)
		counters_add(&k->counters->hashed, 1);
	if (jc->verdict.created)
		counters_add(&k->counters->created, 1);
	stamp(k, jc);
	front_link_deliver(&k->link[jc->link], jc);
}

static void write_stamps(struct deadline *d)
{
	struct keeper *k = container_of(d, struct keeper, stamp_time);
	struct stamp_job *full = k->gathering;

	if (full->stamps.count == 0)
		return;
	if (k->stamping || pool_submit(k->stamp_pool, &full->job)) {
		loop_arm(&k->loop, d, STAMP_EVERY_MS);
		return;
	}
	if (full->stamps.dropped)
		log_event(k->court.log, LOG_WARNING, "stamps_dropped", "more accounts in a second than are noted: %llu",
		          (unsigned long long)full->stamps.dropped);
	k->stamping = full;
	k->gathering = full == &k->stamp_job[0] ? &k->stamp_job[1] : &k->stamp_job[0];
	k->gathering->stamps.count = 0;
	k->gathering->stamps.dropped = 0;
}

/* On the stamping thread. */
static void stamp_work(void *store, struct pool_job *job)
{
	struct stamp_job *s = container_of(job, struct stamp_job, job);

	s->failed = store_stamp(store, s->stamps.stamp, s->stamps.count) != STORE_OK;
}

static void stamped(struct keeper *k, const struct stamp_job *done)
{
	const struct stamps *written = &done->stamps;

	if (done->failed) {
		stamps_return(&k->gathering->stamps, written->stamp, written->count);
		loop_arm(&k->loop, &k->stamp_time, STAMP_EVERY_MS);
	} else {
		counters_add(&k->counters->stamped, written->count);
	}
	k->stamping = NULL;
}

static void take_finished(struct keeper *k)
{
	struct pool *pools[] = {k->name_pool, k->hash_pool};
	struct pool_job *job;

	for (size_t i = 0; i < array_size(pools); i++) {
		while ((job = pool_take(pools[i])))
			judged(k, container_of(job, struct judge_case, job));
	}
	while ((job = pool_take(k->stamp_pool)))
		stamped(k, container_of(job, struct stamp_job, job));
}

static void jobs_done(struct loop_source *source, uint32_t events)
{
	uint64_t n;

	(void)events;
	if (read(source->fd, &n, sizeof(n)) == sizeof(n))
		take_finished(container_of(source, struct keeper, done));
}

static void consider(struct keeper *k, struct judge_case *jc)
{
	if (judge_at_once(jc)) {
		front_link_deliver(&k->link[jc->link], jc);
		return;
	}
	if (pool_submit(jc->ask.kind == ASK_NAME ? k->name_pool : k->hash_pool, &jc->job)) {
		password_wipe(jc->ask.secret, sizeof(jc->ask.secret));
		jc->verdict.answer = ANSWER_BUSY;
		front_link_deliver(&k->link[jc->link], jc);
	}
}

static void asked(struct front_link *l, const struct ask *ask)
{
	struct keeper *k = container_of(l - l->index, struct keeper, link[0]);
	struct verdict unavailable = {.id = ask->id, .answer = ANSWER_UNAVAILABLE};
	struct judge_case *jc = calloc(1, sizeof(*jc));

	counters_add(&k->counters->asked, 1);
	if (!jc) { /* where even this cannot be sent, the login's deadline answers */
		(void)!channel_send(l->source.fd, &unavailable, sizeof(unavailable), -1, 1);
		return;
	}
	jc->ask = *ask;
	jc->court = &k->court;
	jc->link = l->index;
	jc->generation = l->generation;
	consider(k, jc);
}

/* Questions are taken only when there are pools to put them in. */
static void take_link(struct keeper *k, uint32_t index, int fd)
{
	if (index >= ORDER_WORKERS_MAX) {
		close(fd);
		return;
	}
	front_link_replace(&k->link[index], fd);
	if (k->started)
		front_link_watch(&k->link[index]);
}

/* The store is opened once here, so that a failure is one sentence; then every thread opens its own. */
static void open_store(struct keeper *k)
{
	struct store *store;
	char why[STORE_WHY_MAX];
	bool created = false;

	if (store_open(&store, k->config.accounts, k->config.may_create_store ? STORE_MAY_CREATE : STORE_MUST_EXIST,
	               &created, why) != STORE_OK)
		fail(k, why);
	if (created)
		log_event(k->court.log, LOG_WARNING, "store_created", "there were no accounts yet: created %s",
		          k->config.accounts);
	store_close(store);
}

static int open_pools(struct keeper *k)
{
	struct pool_plan plan = {.threads = (unsigned)sysconf(_SC_NPROCESSORS_ONLN),
	                         .queue = HASH_QUEUE,
	                         .niceness = HASH_NICE,
	                         .begin = judge_begin,
	                         .work = judge_work,
	                         .end = judge_end,
	                         .arg = &k->court,
	                         .done_fd = k->done.fd,
	                         .gauge = &k->counters->hash_queue};
	int err = pool_create(&k->hash_pool, &plan);

	plan.threads = 1;
	plan.niceness = 0;
	plan.queue = NAME_QUEUE;
	plan.gauge = &k->counters->name_queue;
	if (!err)
		err = pool_create(&k->name_pool, &plan);
	plan.queue = 1;
	plan.work = stamp_work;
	plan.gauge = &k->stamp_gauge;
	if (!err)
		err = pool_create(&k->stamp_pool, &plan);
	return err;
}

static void warn_of_cheap_hashes(struct keeper *k)
{
	if (k->court.cost.kib < PASSWORD_DEFAULT_KIB || k->court.cost.passes < PASSWORD_DEFAULT_PASSES)
		log_event(k->court.log, LOG_WARNING, "weak_hash",
		          "password hashes of %u KiB and %u passes are weaker than the default: for tests only",
		          k->court.cost.kib, k->court.cost.passes);
}

static void start(struct keeper *k)
{
	if (password_init())
		fail(k, "libsodium does not work on this machine.");
	open_store(k);
	warn_of_cheap_hashes(k);
	if (judge_open_court(&k->court))
		fail(k, "no memory for a password hash: lower --hash-memory, or give the machine more.");
	if (open_pools(k))
		fail(k, "the password threads could not be started: too few threads, descriptors or memory.");
	k->started = true;
	for (uint32_t i = 0; i < ORDER_WORKERS_MAX; i++)
		front_link_watch(&k->link[i]);
	tell_parent(ORDER_READY, "");
}

static void take_config(struct keeper *k, const struct order *order, int fd)
{
	if (order->config.size != sizeof(struct order_config) || fd < 0)
		fail(k, "echod and echod-keeper are of different builds: install them together.");
	k->config = order->config;
	k->log_fd = fd;
	k->court.accounts = k->config.accounts;
	k->court.cost = (struct password_cost){.kib = k->config.hash_kib, .passes = k->config.hash_passes};
	k->court.listeners = k->config.listeners;
	memcpy(k->court.register_open, k->config.register_open, sizeof(k->court.register_open));
}

static void take_counters(struct keeper *k, int fd)
{
	if (fd < 0 || counters_map(&k->counters, fd))
		fail(k, "the counters could not be mapped: too little memory.");
	close(fd);
	if (log_open(&k->court.log, STDERR_FILENO, (enum log_level)k->config.log_level, &k->counters->log_lost_keeper))
		fail(k, "the log's thread could not be started: too few threads or memory.");
	log_reopen(k->court.log, k->log_fd); /* and owns it */
}

/* The parent is gone or wants us gone: what is under way is finished, what waits is for nobody, and stamps are written.
 */
static _Noreturn void end(struct keeper *k)
{
	struct pool *judging[] = {k->name_pool, k->hash_pool};
	struct pool_job *job;

	if (!k->started)
		_exit(0);
	for (size_t i = 0; i < array_size(judging); i++) {
		while ((job = pool_withdraw(judging[i])))
			free(container_of(job, struct judge_case, job));
		pool_finish(judging[i]);
	}
	pool_finish(k->stamp_pool);
	take_finished(k);
	const struct stamps *left = &k->gathering->stamps;
	if (left->count > 0) {
		struct store *store = judge_begin(&k->court);
		if (store && store_stamp(store, left->stamp, left->count) != STORE_OK)
			log_event(k->court.log, LOG_WARNING, "stamps_lost", "%s", store_why(store));
		store_close(store);
	}
	log_finish(k->court.log);
	_exit(0);
}

static void parent_ready(struct loop_source *source, uint32_t events)
{
	struct keeper *k = container_of(source, struct keeper, parent);
	struct order order;
	int fd;

	(void)events;
	int err = channel_receive(source->fd, &order, sizeof(order), &fd, 1);
	if (err == -EPIPE)
		end(k);
	if (err)
		return;
	switch ((enum order_kind)order.kind) {
	case ORDER_CONFIG: take_config(k, &order, fd); return;
	case ORDER_COUNTERS: take_counters(k, fd); return;
	case ORDER_LINK: take_link(k, order.index, fd); return;
	case ORDER_START: start(k); break;
	case ORDER_LOG: log_reopen(k->court.log, fd); return;
	case ORDER_LISTENER:
	case ORDER_DRAIN:
	case ORDER_TLS:
	case ORDER_REVOKE:
	case ORDER_PENALTIES:
	case ORDER_CLEAR_PENALTIES:
	case ORDER_READY:
	case ORDER_FAILED:
	case ORDER_DRAINED:
	case ORDER_PENALTY:
	case ORDER_DONE: break;
	}
	if (fd >= 0)
		close(fd);
}

int main(void)
{
	static struct keeper k;

	(void)prctl(PR_SET_NAME, "echod-keeper", 0, 0,
	            0); /* started by descriptor, it would have a number for a name */
	signal(SIGPIPE, SIG_IGN);
	program_fix_descriptors();
	for (uint32_t i = 0; i < ORDER_WORKERS_MAX; i++)
		front_link_init(&k.link[i], &k.loop, i, asked);
	k.gathering = &k.stamp_job[0];
	deadline_init(&k.stamp_time, write_stamps);
	k.parent = (struct loop_source){.fd = ORDER_FD, .ready = parent_ready};
	k.done = (struct loop_source){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = jobs_done};
	if (k.done.fd < 0 || loop_init(&k.loop) || loop_add(&k.loop, &k.parent, EPOLLIN) ||
	    loop_add(&k.loop, &k.done, EPOLLIN))
		fail(&k, "the keeper could not be started: too few descriptors or memory.");
	return loop_run(&k.loop) ? 1 : 0;
}
