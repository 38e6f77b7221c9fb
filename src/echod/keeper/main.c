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

#include "admission.h"
#include "channel.h"
#include "clock.h"
#include "counters.h"
#include "front_link.h"
#include "judge.h"
#include "loop.h"
#include "name.h"
#include "newcomers.h"
#include "orders.h"
#include "program.h"
#include "sandbox.h"
#include "stamping.h"
#include "text.h"

#define NAME_QUEUE  1024 /* names that may wait: each costs microseconds */
#define TOKEN_QUEUE 1024 /* tokens that may wait: one that is good costs a write to the disk, others a look-up */
#define HASH_NICE   5    /* a hash yields to an echo */
struct keeper {
	struct loop loop;
	struct admission admission;
	struct loop_source parent, done;
	struct order_config config;
	struct judge_court court;
	struct counters *counters;
	int log_fd;
	int files; /* of sandbox_close_files */
	bool started, ending;
	struct pool *hash_pool, *name_pool, *token_pool;
	struct front_link link[ORDER_WORKERS_MAX];
	struct stamping stamping;
	struct newcomers newcomers;
	struct token_clock clock;
	_Atomic uint64_t token_gauge;
};

static void tell_parent(enum order_kind kind, const char *text, uint64_t value)
{
	struct order order = {.kind = (uint32_t)kind, .value = value};

	text_copy(order.text, sizeof(order.text), text);
	int err = channel_send(ORDER_FD, &order, sizeof(order), -1, 0);
	if (err == -EBADF || err == -ENOTSOCK)
		program_say("echod-keeper", "cannot start: this program is started by echod, not by hand");
	if (err)
		_exit(1); /* the parent would wait for it for ever; so it sees us end */
}

static _Noreturn void fail(struct keeper *k, const char *sentence)
{
	tell_parent(ORDER_FAILED, sentence, 0);
	log_finish(k->court.log);
	_exit(1);
}

/* Every verdict goes out by here. */
static void deliver(struct keeper *k, struct judge_case *jc)
{
	if (jc->counted && !jc->verdict.created)
		newcomers_take_back(&k->newcomers, &jc->ask.peer, k->loop.now_ms);
	if (!k->ending)
		admission_note(&k->admission, jc);
	stamping_note(&k->stamping, jc);
	front_link_deliver(&k->link[jc->link], jc);
}

/* A task of the keeper's own; the caller submits it. NULL where memory is out. */
static struct judge_case *new_task(struct keeper *k, enum judge_task task)
{
	struct judge_case *jc = calloc(1, sizeof(*jc));

	if (jc) {
		jc->task = task;
		jc->court = &k->court;
	}
	return jc;
}

/* At the end there is no thread any more to do it. */
static void do_now(struct keeper *k, struct judge_case *jc)
{
	struct store *store = judge_begin(&k->court);

	if (store)
		judge_work(store, &jc->job);
	store_close(store);
	free(jc);
}

/* The same thread that judges tokens does it, so none that is asked about later is judged before. */
static void end_family(struct keeper *k, const struct judge_case *replay)
{
	struct judge_case *jc = new_task(k, JUDGE_END_FAMILY);

	if (jc)
		memcpy(jc->digest, replay->digest, sizeof(jc->digest));
	if (jc && k->ending) {
		do_now(k, jc);
	} else if (!jc || pool_submit(k->token_pool, &jc->job)) {
		log_event(
		    k->court.log, LOG_ERROR, "revoke_failed",
		    "no memory to end the tokens of a login of which token %s was used again; the next use does it",
		    replay->verdict.used);
		free(jc);
	}
}

static void judged(struct keeper *k, struct judge_case *jc)
{
	switch (jc->task) {
	case JUDGE_QUESTION: break;
	case JUDGE_END_ALL:
		if (!k->ending)
			tell_parent(ORDER_DONE, "", (uint64_t)jc->ended);
		free(jc);
		return;
	case JUDGE_END_FAMILY: free(jc); return;
	}
	if (jc->ask.kind == ASK_SECRET)
		counters_add(&k->counters->hashed, 1);
	if (jc->verdict.created)
		counters_add(&k->counters->created, 1);
	if (jc->replayed)
		end_family(k, jc);
	deliver(k, jc);
}

static void take_finished(struct keeper *k)
{
	struct pool *pools[] = {k->name_pool, k->hash_pool, k->token_pool};
	struct pool_job *job;

	for (size_t i = 0; i < array_size(pools); i++) {
		while ((job = pool_take(pools[i])))
			judged(k, container_of(job, struct judge_case, job));
	}
	stamping_take_finished(&k->stamping);
}

static void jobs_done(struct loop_source *source, uint32_t events)
{
	uint64_t n;

	(void)events;
	if (read(source->fd, &n, sizeof(n)) == sizeof(n))
		take_finished(container_of(source, struct keeper, done));
}

/* Whether the address may make an account now; it is counted until the outcome is known. */
static bool may_create(struct keeper *k, struct judge_case *jc)
{
	uint32_t limit = k->config.address_accounts;

	if (!limit || (jc->ask.is_local && !k->config.limit_local))
		return true;
	jc->counted = newcomers_admit(&k->newcomers, &jc->ask.peer, limit, k->loop.now_ms);
	return jc->counted;
}

/* The answer to a question that no thread need judge, or may; false where one has to. */
static bool answer_at_once(struct keeper *k, struct judge_case *jc)
{
	if (jc->ask.kind == ASK_RESUME && admission_refuses_token(&k->admission, jc))
		return true;
	if (judge_at_once(jc))
		return true;
	if (judge_would_create(jc) && !may_create(k, jc)) {
		jc->verdict.answer = ANSWER_NEW_ACCOUNTS;
		return true;
	}
	if (jc->ask.kind == ASK_SECRET) {
		admission_ask(&k->admission, jc);
		return false;
	}
	if (pool_submit(jc->ask.kind == ASK_NAME ? k->name_pool : k->token_pool, &jc->job) == 0)
		return false;
	jc->verdict.answer = ANSWER_BUSY;
	return true;
}

static void not_admitted(struct admission *a, struct judge_case *jc)
{
	deliver(container_of(a, struct keeper, admission), jc);
}

static void consider(struct keeper *k, struct judge_case *jc)
{
	if (!answer_at_once(k, jc))
		return;
	password_wipe(jc->ask.secret, sizeof(jc->ask.secret));
	deliver(k, jc);
}

/* The parent asks one thing at a time, and each is answered. */
static void end_tokens(struct keeper *k, const char *name)
{
	struct judge_case *jc = k->started ? new_task(k, JUDGE_END_ALL) : NULL;
	int64_t err = -EAGAIN;

	if (jc && name_normalise(name, strlen(name), jc->verdict.name))
		err = -ENOENT;
	else if (jc && pool_submit(k->token_pool, &jc->job) == 0)
		return;
	free(jc);
	tell_parent(ORDER_DONE, "", (uint64_t)err);
}

static void tell_penalty(void *arg, const char line[ORDER_TEXT_MAX])
{
	(void)arg;
	tell_parent(ORDER_PENALTY, line, 0);
}

static void list_penalties(struct keeper *k)
{
	int64_t count = k->started ? admission_list(&k->admission, tell_penalty, NULL) : -EAGAIN;

	tell_parent(ORDER_DONE, "", (uint64_t)count);
}

static void clear_penalties(struct keeper *k)
{
	int64_t count = k->started ? (int64_t)admission_clear(&k->admission) : -EAGAIN;

	tell_parent(ORDER_DONE, "", (uint64_t)count);
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
	jc->verdict.id = ask->id;
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

	switch (store_modes(k->config.accounts, why)) {
	case STORE_PRIVATE: break;
	case STORE_READABLE: log_event(k->court.log, LOG_WARNING, "store_readable", "%s", why); break;
	case STORE_WRITABLE: fail(k, why);
	}
	if (store_open(&store, k->config.accounts, k->config.may_create_store ? STORE_MAY_CREATE : STORE_MUST_EXIST,
	               &created, why) != STORE_OK)
		fail(k, why);
	if (created)
		log_event(k->court.log, LOG_WARNING, "store_created", "there were no accounts yet: created %s",
		          k->config.accounts);
	judge_tell_upgrade(&k->court, store);
	if (admission_open(&k->admission, &k->loop, k->counters, &k->court, &k->config, store, not_admitted))
		fail(k, "no memory for what is known of failed logins: give the machine more.");
	store_close(store);
}

static int open_pools(struct keeper *k)
{
	unsigned cores = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	struct pool_plan plan = {.threads = cores,
	                         .queue = cores, /* those who wait do so at the gate */
	                         .niceness = HASH_NICE,
	                         .begin = judge_begin,
	                         .work = judge_work,
	                         .end = judge_end,
	                         .arg = &k->court,
	                         .done_fd = k->done.fd,
	                         .gauge = &k->counters->hash_queue};
	int err = pool_create(&k->hash_pool, &plan);

	admission_use(&k->admission, k->hash_pool, cores);
	plan.threads = 1;
	plan.niceness = 0;
	plan.queue = NAME_QUEUE;
	plan.gauge = &k->counters->name_queue;
	if (!err)
		err = pool_create(&k->name_pool, &plan);
	plan.queue = TOKEN_QUEUE;
	plan.gauge = &k->token_gauge;
	if (!err)
		err = pool_create(&k->token_pool, &plan);
	return err ? err : stamping_start(&k->stamping, &k->loop, k->counters, &k->court, plan);
}

static void warn_of_cheap_hashes(struct keeper *k)
{
	if (k->court.cost.kib < PASSWORD_DEFAULT_KIB || k->court.cost.passes < PASSWORD_DEFAULT_PASSES)
		log_event(k->court.log, LOG_WARNING, "weak_hash",
		          "password hashes of %u KiB and %u passes are weaker than the default: for tests only",
		          k->court.cost.kib, k->court.cost.passes);
}

/* While there is one thread, and after the last file elsewhere. Where no folder is found, opening the store says why.
 */
static int close_files(const struct keeper *k)
{
	char *folder =
	    store_prepare(k->config.accounts, k->config.may_create_store ? STORE_MAY_CREATE : STORE_MUST_EXIST);
	int err = folder ? sandbox_close_files(folder) : -ENOENT;

	free(folder);
	return err;
}

/* Before the first question is taken. */
static void shut_in(struct keeper *k)
{
	char sentence[ORDER_TEXT_MAX];
	int holds = sandbox_close(SANDBOX_KEEPER, k->files, k->court.log);

	if (holds < 0) {
		snprintf(sentence, sizeof(sentence), "the keeper cannot be shut in: %s; see whether memory is short.",
		         strerror(-holds));
		fail(k, sentence);
	}
	atomic_store(&k->counters->sandbox_keeper, (uint64_t)holds);
}

static void start(struct keeper *k)
{
	if (password_init())
		fail(k, "libsodium does not work on this machine.");
	newcomers_init(&k->newcomers);
	open_store(k);
	warn_of_cheap_hashes(k);
	if (judge_open_court(&k->court))
		fail(k, "no memory for a password hash: lower --hash-memory, or give the machine more.");
	if (open_pools(k))
		fail(k, "the password threads could not be started: too few threads, descriptors or memory.");
	shut_in(k);
	k->started = true;
	for (uint32_t i = 0; i < ORDER_WORKERS_MAX; i++)
		front_link_watch(&k->link[i]);
	tell_parent(ORDER_READY, "", 0);
}

static void take_config(struct keeper *k, const struct order *order, int fd)
{
	if (order->config.size != sizeof(struct order_config) || fd < 0)
		fail(k, "echod and echod-keeper are of different builds: install them together.");
	k->config = order->config;
	k->log_fd = fd;
	k->files = close_files(k);
	k->court.accounts = k->config.accounts;
	k->court.cost = (struct password_cost){.kib = k->config.hash_kib, .passes = k->config.hash_passes};
	k->court.listeners = k->config.listeners;
	k->court.allow_cleartext = k->config.allow_cleartext;
	k->court.token_life_us = (int64_t)k->config.token_life_ms * 1000;
	k->court.max_accounts = k->config.max_accounts;
	k->court.clock = &k->clock;
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

/* What waits is for nobody, but for what the keeper has to do by itself. */
static void withdraw(struct keeper *k, struct pool *pool)
{
	struct pool_job *job;

	while ((job = pool_withdraw(pool))) {
		struct judge_case *jc = container_of(job, struct judge_case, job);
		if (jc->task == JUDGE_END_FAMILY) {
			do_now(k, jc);
			continue;
		}
		password_wipe(jc->ask.secret, sizeof(jc->ask.secret));
		free(jc);
	}
}

/* The parent is gone or wants us gone: what is under way is finished, what waits is for nobody, and stamps are written.
 */
static _Noreturn void end(struct keeper *k)
{
	struct pool *judging[] = {k->name_pool, k->hash_pool, k->token_pool};

	if (!k->started)
		_exit(0);
	k->ending = true;
	admission_end(&k->admission);
	for (size_t i = 0; i < array_size(judging); i++) {
		withdraw(k, judging[i]);
		pool_finish(judging[i]);
	}
	take_finished(k);
	stamping_finish(&k->stamping);
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
	case ORDER_REVOKE:
		order.text[sizeof(order.text) - 1] = '\0';
		end_tokens(k, order.text);
		break;
	case ORDER_PENALTIES: list_penalties(k); break;
	case ORDER_CLEAR_PENALTIES: clear_penalties(k); break;
	case ORDER_LISTENER:
	case ORDER_DRAIN:
	case ORDER_TLS:
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
	k.parent = (struct loop_source){.fd = ORDER_FD, .ready = parent_ready};
	k.done = (struct loop_source){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = jobs_done};
	if (k.done.fd < 0 || loop_init(&k.loop) || loop_add(&k.loop, &k.parent, EPOLLIN) ||
	    loop_add(&k.loop, &k.done, EPOLLIN))
		fail(&k, "the keeper could not be started: too few descriptors or memory.");
	return loop_run(&k.loop) ? 1 : 0;
}
