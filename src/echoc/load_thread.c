#include "load_thread.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

#define SECOND_NS    UINT64_C(1000000000)
#define MS_NS        1000000
#define MS_PER_S     1000
#define PENDING_MAX  64   /* connections that are being set up at once, in all: fewer than any backlog or queue takes */
#define FLIGHT_LEAST 16   /* messages under way on a connection in open loop, */
#define FLIGHT_MOST  4096 /* else as many as are due in a second */

static uint64_t cpu_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

static void arm_edge(struct load_thread *t, uint64_t at_ns)
{
	uint64_t now_ns = clock_now_ns();

	loop_arm(&t->loop, &t->edge, at_ns > now_ns ? (at_ns - now_ns) / MS_NS + 1 : 0);
}

static void notify(struct load_thread *t)
{
	uint64_t one = 1;

	(void)!write(t->plan->notify, &one, sizeof(one)); /* fails only where it is readable anyway */
}

/* When the ramp lets the connection be dialled. */
static uint64_t ramp_ns(const struct load_thread *t, const struct load_connection *c)
{
	const struct load_options *o = t->plan->options;

	return t->plan->start_ns + o->ramp_ms * c->index / o->connections * MS_NS;
}

/* Dials for the first time as many as may be. What fails at once comes back here, and finds that it is under way. */
static void pump(struct load_thread *t)
{
	uint64_t pending_max = PENDING_MAX / t->plan->options->threads, now_ns = clock_now_ns();

	if (t->pumping)
		return;
	t->pumping = true;
	while (t->dialled < t->count && (t->pending == 0 || t->pending < pending_max)) {
		struct load_connection *c = &t->connections[t->dialled];
		if (now_ns < ramp_ns(t, c)) {
			arm_edge(t, ramp_ns(t, c));
			break;
		}
		t->dialled++;
		t->pending++;
		load_connection_dial(c);
	}
	t->pumping = false;
}

static void publish(struct load_thread *t)
{
	pthread_mutex_lock(&t->lock);
	t->published = t->measures;
	t->published_ns = clock_now_ns();
	pthread_mutex_unlock(&t->lock);
}

void load_thread_settled(struct load_thread *t)
{
	t->pending--;
	t->settled++;
	atomic_fetch_add(&t->plan->connections, 1);
	if (t->settled == t->count) {
		publish(t);
		atomic_fetch_add(&t->plan->set_up, 1);
		notify(t);
	} else {
		pump(t);
	}
}

/* When none is left there is nothing more to do; before the beginning there is still the order to begin. */
static void stop_if_over(struct load_thread *t)
{
	if (t->begun && t->over == t->count)
		loop_stop(&t->loop);
}

void load_thread_over(struct load_thread *t)
{
	t->over++;
	stop_if_over(t);
}

static void arm_timer(struct load_thread *t)
{
	struct itimerspec when = {.it_value = {.tv_sec = (time_t)(t->due.next_ns / SECOND_NS),
	                                       .tv_nsec = (long)(t->due.next_ns % SECOND_NS)}};

	/* Setting it also takes back that it has expired, so it need not be read. */
	(void)timerfd_settime(t->timer.fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* All that is due is sent, or waits with its connection. A visit sends whatever its connection owes, so one each does.
 */
static void send_due(struct loop_source *source, uint32_t events)
{
	struct load_thread *t = container_of(source, struct load_thread, timer);
	uint64_t now_ns = clock_now_ns(), visits = 0;

	(void)events;
	while (t->due.next_ns <= now_ns && t->due.next_ns < t->close_ns) {
		struct load_connection *c = &t->connections[t->cursor];
		if (visits++ < t->count && c->stage == LOAD_ECHO)
			load_echo_send(c, clock_now_ns());
		t->cursor = t->cursor + 1 < t->count ? t->cursor + 1 : 0;
		load_pace_advance(&t->due, &t->step);
	}
	if (t->due.next_ns < t->close_ns)
		arm_timer(t);
	else
		loop_remove(&t->loop, &t->timer);
}

/*
 * The thread's messages come at its share of the rate, to one connection after the other; each connection's own times
 * are those of every count-th of them, to the nanosecond.
 */
static int begin_pace(struct load_thread *t, uint64_t begin_ns)
{
	const struct load_options *o = t->plan->options;

	t->step = load_step(SECOND_NS * o->connections, o->rate * t->count);
	t->connection_step = load_step(SECOND_NS * o->connections * t->count, o->rate * t->count);
	t->due = (struct load_pace){.next_ns = begin_ns + SECOND_NS * t->index / o->rate};
	struct load_pace pace = t->due;
	for (uint64_t i = 0; i < t->count; i++) {
		t->connections[i].due = pace;
		load_pace_advance(&pace, &t->step);
	}
	int err = loop_add(&t->loop, &t->timer, EPOLLIN);
	if (!err)
		arm_timer(t);
	return err;
}

static void begin(struct load_thread *t, uint64_t begin_ns)
{
	const struct load_options *o = t->plan->options;

	t->begun = true;
	t->begin_ns = begin_ns;
	t->open_ns = begin_ns + o->warm_up_ms * MS_NS;
	t->window_ns = o->duration_ms * MS_NS;
	t->close_ns = t->open_ns + t->window_ns;
	if (t->open_loop && begin_pace(t, begin_ns))
		t->close_ns = t->open_ns; /* nothing will be sent, and the result says so */
	for (uint64_t i = 0; i < t->count; i++) {
		if (t->connections[i].stage == LOAD_ECHO)
			load_echo_send(&t->connections[i], clock_now_ns());
	}
	arm_edge(t, t->open_ns);
	if (t->plan->watched)
		loop_arm(&t->loop, &t->publish, MS_PER_S);
	stop_if_over(t);
}

static void drain(struct load_thread *t)
{
	uint64_t now_ns = clock_now_ns();

	t->draining = true;
	if (now_ns > t->cpu_at_ns && t->opened)
		t->cpu_share = (double)(cpu_now_ns() - t->cpu_ns) / (double)(now_ns - t->cpu_at_ns);
	for (uint64_t i = 0; i < t->count; i++) {
		struct load_connection *c = &t->connections[i];
		if (c->stage == LOAD_ECHO)
			load_echo_send(c, now_ns);
		else if (c->stage != LOAD_CLOSING && !load_echo_owes(c))
			load_connection_give_up(c);
	}
	loop_arm(&t->loop, &t->edge, LOAD_DRAIN_MS);
}

static void give_up(struct load_thread *t)
{
	for (uint64_t i = 0; i < t->count; i++)
		load_connection_give_up(&t->connections[i]);
}

static void begin_to_count_cpu(struct load_thread *t)
{
	t->opened = true;
	t->cpu_ns = cpu_now_ns();
	t->cpu_at_ns = clock_now_ns();
}

static void edge(struct deadline *d)
{
	struct load_thread *t = container_of(d, struct load_thread, edge);

	if (!t->begun) {
		pump(t);
	} else if (t->draining) {
		give_up(t);
	} else if (clock_now_ns() >= t->close_ns) {
		drain(t);
	} else {
		if (!t->opened)
			begin_to_count_cpu(t);
		arm_edge(t, t->close_ns); /* once more where the loop's coarse clock was early */
	}
}

static void publish_each_second(struct deadline *d)
{
	struct load_thread *t = container_of(d, struct load_thread, publish);

	publish(t);
	loop_arm(&t->loop, d, MS_PER_S - (t->published_ns - t->begin_ns) / MS_NS % MS_PER_S);
}

static void woken(struct loop_source *source, uint32_t events)
{
	struct load_thread *t = container_of(source, struct load_thread, wake);
	uint64_t begin_ns = atomic_load(&t->plan->begin_ns), close_ns = atomic_load(&t->plan->close_ns), n;

	(void)events;
	(void)!read(source->fd, &n, sizeof(n));
	if (begin_ns && !t->begun)
		begin(t, begin_ns);
	if (close_ns && close_ns < t->close_ns && !t->draining) {
		t->close_ns = close_ns;
		t->window_ns = close_ns > t->open_ns ? close_ns - t->open_ns : 0;
		arm_edge(t, close_ns);
	}
}

void load_thread_wake(struct load_thread *t)
{
	uint64_t one = 1;

	(void)!write(t->wake.fd, &one, sizeof(one));
}

/* What was due within the window and never got to be queued. */
static void count_unsent(struct load_thread *t)
{
	const struct load_step *step = &t->connection_step;

	for (uint64_t i = 0; t->open_loop && i < t->count; i++) {
		uint64_t next_ns = t->connections[i].due.next_ns;
		if (next_ns < t->close_ns)
			t->measures.counters.messages_unsent +=
			    1 + (uint64_t)((double)(t->close_ns - next_ns - 1) /
			                   ((double)step->whole + (double)step->rest / (double)step->of));
	}
}

static void *run(void *arg)
{
	struct load_thread *t = arg;

	pump(t);
	t->failed = loop_run(&t->loop);
	count_unsent(t);
	publish(t);
	atomic_fetch_add(&t->plan->ended, 1);
	notify(t);
	return NULL;
}

/* Messages that may be under way on one connection: what is asked for, or about a second's worth. */
static uint64_t flight_max(const struct load_options *o)
{
	uint64_t second = o->rate / o->connections;

	if (!o->rate)
		return o->in_flight;
	if (second < FLIGHT_LEAST)
		return FLIGHT_LEAST;
	return second < FLIGHT_MOST ? second : FLIGHT_MOST;
}

static uint64_t power_of_two(uint64_t n)
{
	uint64_t power = 1;

	while (power < n)
		power *= 2;
	return power;
}

static int make_connections(struct load_thread *t)
{
	const struct load_options *o = t->plan->options;
	uint64_t ring = power_of_two(flight_max(o));

	t->count = o->connections / o->threads + (t->index < o->connections % o->threads);
	t->open_loop = o->rate > 0;
	t->flight_max = (uint32_t)flight_max(o);
	t->flight_mask = (uint32_t)ring - 1;
	t->messages_max = o->messages ? o->messages : UINT64_MAX;
	t->open_ns = t->close_ns = UINT64_MAX;
	t->connections = calloc(t->count, sizeof(*t->connections));
	t->flights = calloc(t->count * ring, sizeof(*t->flights));
	t->buf = aligned_alloc(LOAD_BUF_ALIGNMENT, LOAD_BUF);
	if (!t->connections || !t->flights || !t->buf)
		return -ENOMEM;
	if (t->plan->tls && channel_room_init(&t->room))
		return -ENOMEM;
	for (uint64_t i = 0; i < t->count; i++)
		load_connection_init(&t->connections[i], t, t->index + i * o->threads, t->flights + i * ring);
	return 0;
}

static int make_loop(struct load_thread *t)
{
	int err = loop_init(&t->loop);

	if (err)
		return err;
	t->wake = (struct loop_source){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = woken};
	t->timer =
	    (struct loop_source){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), .ready = send_due};
	if (t->wake.fd < 0 || t->timer.fd < 0)
		return -errno;
	return loop_add(&t->loop, &t->wake, EPOLLIN);
}

int load_thread_start(struct load_thread *t, struct load_plan *plan, uint64_t index)
{
	t->plan = plan;
	t->index = index;
	load_measures_init(&t->measures);
	load_measures_init(&t->published);
	deadline_init(&t->edge, edge);
	deadline_init(&t->publish, publish_each_second);
	int err = pthread_mutex_init(&t->lock, NULL);
	if (!err)
		err = -make_connections(t);
	if (!err)
		err = -make_loop(t);
	if (!err)
		err = pthread_create(&t->id, NULL, run, t);
	return -err;
}

void load_thread_join(struct load_thread *t)
{
	pthread_join(t->id, NULL);
	close(t->wake.fd);
	close(t->timer.fd);
	loop_fini(&t->loop);
	free(t->connections);
	free(t->flights);
	free(t->buf);
	channel_room_fini(&t->room);
}
