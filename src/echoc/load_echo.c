/*
 * The measured stage. For a message there is one recv, one send and one reading of the clock; it stands between the
 * two, so that checking and sending count as the server's time rather than being left out.
 */
#include <assert.h>
#include <errno.h>

#include "clock.h"
#include "load_pattern.h"
#include "load_thread.h"

#define LATE_NS 1000000

static uint64_t message_size(struct load_connection *c, const struct load_options *o)
{
	uint64_t span = o->size_max - o->size_min;

	if (span == 0)
		return o->size_min;
	c->random ^= c->random << 13; /* xorshift64 (Marsaglia 2003) */
	c->random ^= c->random >> 7;
	c->random ^= c->random << 17;
	return o->size_min + (((c->random >> 32) * (span + 1)) >> 32);
}

static void queue(struct load_connection *c, uint64_t due_ns)
{
	struct load_thread *t = c->thread;
	struct load_flight *f = &c->flight[c->tail++ & t->flight_mask];

	c->queued += message_size(c, t->plan->options);
	c->messages++;
	f->end = c->queued;
	f->due_ns = due_ns;
}

static bool has_room(const struct load_connection *c)
{
	return c->tail - c->head < c->thread->flight_max && c->messages < c->thread->messages_max;
}

bool load_echo_owes(const struct load_connection *c)
{
	return c->thread->open_loop && c->due.next_ns < c->thread->close_ns;
}

static bool is_due(const struct load_connection *c, uint64_t now_ns)
{
	return c->due.next_ns <= now_ns && load_echo_owes(c);
}

/* Queues what is to be sent at now_ns. What finds no room stays due and is sent late. */
static void queue_due(struct load_connection *c, uint64_t now_ns)
{
	struct load_thread *t = c->thread;

	if (!t->open_loop) {
		while (now_ns < t->close_ns && has_room(c))
			queue(c, now_ns);
		return;
	}
	while (is_due(c, now_ns) && has_room(c)) {
		queue(c, c->due.next_ns);
		load_pace_advance(&c->due, &t->connection_step);
	}
}

static void note_send(struct load_connection *c, const struct load_flight *f)
{
	struct load_thread *t = c->thread;
	struct load_counters *n = &t->measures.counters;

	if (f->due_ns < t->open_ns)
		return;
	n->window_sends++;
	if (f->sent_ns > f->due_ns + LATE_NS) {
		n->late++;
		n->late_own += !c->blocked;
	}
}

/* Messages whose first byte is sent have now been sent. */
static void stamp(struct load_connection *c, uint64_t now_ns)
{
	struct load_thread *t = c->thread;

	while (c->begun != c->tail && c->begun_at < c->sent) {
		struct load_flight *f = &c->flight[c->begun++ & t->flight_mask];
		f->sent_ns = now_ns;
		c->begun_at = f->end;
		t->measures.counters.messages_sent++;
		if (t->open_loop)
			note_send(c, f);
	}
}

static bool in_window(const struct load_thread *t, uint64_t now_ns)
{
	return now_ns - t->open_ns < t->window_ns; /* before the window it wraps to a large number */
}

/* Sends what is queued, as much as the kernel takes. Returns 0 or a negative errno. */
static int flush(struct load_connection *c, uint64_t now_ns)
{
	struct load_thread *t = c->thread;
	uint64_t before = c->sent;
	int err = 0;

	while (c->sent < c->queued) {
		uint64_t left = c->queued - c->sent;
		size_t len = left < LOAD_PATTERN_PIECE ? left : LOAD_PATTERN_PIECE;
		ssize_t n = channel_send(&c->channel, load_pattern_at(c->sent_at), len);
		if (n < 0) {
			err = n == -EAGAIN ? 0 : (int)n;
			break;
		}
		c->sent += (uint64_t)n;
		c->sent_at = load_pattern_next(c->sent_at, (size_t)n);
		if ((size_t)n < len)
			break;
	}
	t->measures.counters.bytes_sent += c->sent - before;
	if (in_window(t, now_ns))
		t->measures.counters.window_bytes_sent += c->sent - before;
	stamp(c, now_ns);
	return err;
}

static void watch_out(struct load_connection *c)
{
	bool wants = c->sent < c->queued || channel_unsent(&c->channel);

	if (wants == c->watches_out)
		return;
	c->watches_out = wants;
	loop_change(&c->thread->loop, &c->source, wants ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static int flush_channel(struct load_connection *c)
{
	int err = channel_flush(&c->channel);

	return err == -EAGAIN ? 0 : err;
}

void load_echo_send(struct load_connection *c, uint64_t now_ns)
{
	struct load_thread *t = c->thread;

	queue_due(c, now_ns);
	int err = c->sent < c->queued ? flush(c, now_ns) : 0;
	if (!err && c->watches_out) /* what was sent may not be on its way whole */
		err = flush_channel(c);
	if (err) {
		load_connection_fail(c, load_connection_kind(err), err, NULL);
		return;
	}
	watch_out(c);
	if (t->open_loop)
		c->blocked = c->watches_out || is_due(c, now_ns);
	if (c->head == c->tail &&
	    (c->messages == t->messages_max || (t->draining && !(t->open_loop && is_due(c, now_ns)))))
		load_connection_finish(c);
}

/* Times the messages that are back whole. */
static void complete(struct load_connection *c, uint64_t now_ns)
{
	struct load_thread *t = c->thread;
	struct load_measures *m = &t->measures;

	while (c->head != c->begun && c->flight[c->head & t->flight_mask].end <= c->came) {
		const struct load_flight *f = &c->flight[c->head++ & t->flight_mask];
		m->counters.messages_received++;
		if (in_window(t, now_ns))
			m->counters.window_messages++;
		if ((t->open_loop ? f->due_ns : f->sent_ns) < t->open_ns)
			continue;
		histogram_add(&m->service, now_ns - f->sent_ns);
		if (t->open_loop)
			histogram_add(&m->response, now_ns - f->due_ns);
	}
}

static void take(struct load_connection *c, size_t len, uint64_t now_ns)
{
	struct load_thread *t = c->thread;
	struct load_counters *n = &t->measures.counters;
	size_t sent = c->sent - c->came < len ? c->sent - c->came : len; /* the rest was never sent */

	n->bytes_damaged += load_pattern_damage(c->came_at, t->buf, sent) + (len - sent);
	c->came += sent;
	c->came_at = load_pattern_next(c->came_at, sent);
	n->bytes_received += len;
	if (in_window(t, now_ns))
		n->window_bytes_received += len;
	complete(c, now_ns);
}

static void receive(struct load_connection *c)
{
	ssize_t n = channel_receive(&c->channel, c->thread->buf, LOAD_BUF);
	int err = n < 0 ? (int)n : 0;

	if (err == -EAGAIN)
		return;
	if (n <= 0) {
		load_connection_fail(c, n == 0 ? LOAD_ERROR_ENDED : load_connection_kind(err), err, NULL);
		return;
	}
	uint64_t now_ns = clock_now_ns();
	assert(c->came <= c->sent && c->sent <= c->queued);
	take(c, (size_t)n, now_ns);
	load_echo_send(c, now_ns);
}

void load_echo_ready(struct loop_source *source, uint32_t events)
{
	struct load_connection *c = container_of(source, struct load_connection, source);

	if (events & EPOLLOUT)
		load_echo_send(c, clock_now_ns());
	if (c->stage == LOAD_ECHO && events & ~(uint32_t)EPOLLOUT)
		receive(c);
	while (c->stage == LOAD_ECHO && channel_pending(&c->channel)) /* no event tells of it */
		receive(c);
}
