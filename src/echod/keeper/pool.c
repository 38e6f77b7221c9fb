#include "pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "counters.h"

struct queue {
	struct pool_job *first, **end;
};

struct pool {
	struct pool_plan plan;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under lock */
	struct queue waiting, done;
	unsigned waiting_count, begun, failed;
	bool finishing;
	/* the owner's */
	unsigned started;
	pthread_t thread[];
};

static void queue_init(struct queue *q)
{
	q->first = NULL;
	q->end = &q->first;
}

static void queue_put(struct queue *q, struct pool_job *job)
{
	job->next = NULL;
	*q->end = job;
	q->end = &job->next;
}

static struct pool_job *queue_take(struct queue *q)
{
	struct pool_job *job = q->first;

	if (job) {
		q->first = job->next;
		if (!q->first)
			q->end = &q->first;
	}
	return job;
}

static void tell_done(struct pool *pool)
{
	uint64_t one = 1;

	if (write(pool->plan.done_fd, &one, sizeof(one)) < 0)
		abort(); /* an eventfd's counter cannot be full here */
}

static void work_off(struct pool *pool, void *own)
{
	for (;;) {
		struct pool_job *job = queue_take(&pool->waiting);
		if (!job) {
			if (pool->finishing)
				return;
			pthread_cond_wait(&pool->changed, &pool->lock);
			continue;
		}
		pool->waiting_count--;
		pthread_mutex_unlock(&pool->lock);
		pool->plan.work(own, job);
		pthread_mutex_lock(&pool->lock);
		queue_put(&pool->done, job);
		tell_done(pool);
	}
}

static void *thread_main(void *arg)
{
	struct pool *pool = arg;

	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), pool->plan.niceness);
	void *own = pool->plan.begin(pool->plan.arg);
	pthread_mutex_lock(&pool->lock);
	if (own)
		pool->begun++;
	else
		pool->failed++;
	pthread_cond_broadcast(&pool->changed);
	if (own)
		work_off(pool, own);
	pthread_mutex_unlock(&pool->lock);
	if (own)
		pool->plan.end(own);
	return NULL;
}

int pool_create(struct pool **out, const struct pool_plan *plan)
{
	struct pool *pool = calloc(1, sizeof(*pool) + plan->threads * sizeof(pool->thread[0]));
	int err = 0;

	if (!pool)
		return -ENOMEM;
	pool->plan = *plan;
	queue_init(&pool->waiting);
	queue_init(&pool->done);
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->changed, NULL);
	for (; pool->started < plan->threads && !err; pool->started++) {
		err = -pthread_create(&pool->thread[pool->started], NULL, thread_main, pool);
		if (err)
			break;
	}
	pthread_mutex_lock(&pool->lock);
	while (pool->begun + pool->failed < pool->started)
		pthread_cond_wait(&pool->changed, &pool->lock);
	if (!err && pool->failed > 0)
		err = -EIO;
	pthread_mutex_unlock(&pool->lock);
	if (err) {
		pool_finish(pool);
		pool_destroy(pool);
		return err;
	}
	*out = pool;
	return 0;
}

int pool_submit(struct pool *pool, struct pool_job *job)
{
	int err = 0;

	pthread_mutex_lock(&pool->lock);
	if (pool->waiting_count >= pool->plan.queue) {
		err = -EAGAIN;
	} else {
		queue_put(&pool->waiting, job);
		pool->waiting_count++;
		pthread_cond_signal(&pool->changed);
	}
	pthread_mutex_unlock(&pool->lock);
	if (!err)
		counters_add(pool->plan.gauge, 1);
	return err;
}

struct pool_job *pool_take(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	struct pool_job *job = queue_take(&pool->done);
	pthread_mutex_unlock(&pool->lock);
	if (job)
		counters_add(pool->plan.gauge, (uint64_t)-1);
	return job;
}

struct pool_job *pool_withdraw(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	struct pool_job *job = queue_take(&pool->waiting);
	pool->waiting_count -= job != NULL;
	pthread_mutex_unlock(&pool->lock);
	if (job)
		counters_add(pool->plan.gauge, (uint64_t)-1);
	return job;
}

void pool_finish(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->finishing = true;
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->started; i++)
		pthread_join(pool->thread[i], NULL);
	pool->started = 0;
}

void pool_destroy(struct pool *pool)
{
	pthread_cond_destroy(&pool->changed);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}
