#include "stream.h"

#include <assert.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int stream_pool_init(struct stream_pool *pool, struct loop *loop)
{
	*pool = (struct stream_pool){.loop = loop, .chunk = aligned_alloc(STREAM_ALIGNMENT, STREAM_CHUNK_MAX)};
	return pool->chunk ? 0 : -ENOMEM;
}

int stream_pool_init_wrapped(struct stream_pool *wrapped, const struct stream_pool *pool,
                             const struct stream_wrap *wrap)
{
	*wrapped = *pool;
	wrapped->wrap = wrap;
	wrapped->came = aligned_alloc(STREAM_ALIGNMENT, STREAM_CHUNK_MAX);
	wrapped->wire = malloc(wrap->wire_max);
	/* unreached: want of memory at the start, which tests/full/test_faults.py makes */
	if (wrapped->came && wrapped->wire)
		return 0;
	stream_pool_fini(wrapped);
	return -ENOMEM;
}

void stream_pool_fini(struct stream_pool *pool)
{
	free(pool->came);
	free(pool->wire);
	/* unreached: a worker ends with its process */
	if (!pool->wrap) /* else it is another pool's */
		free(pool->chunk);
	pool->came = pool->wire = pool->chunk = NULL;
}

bool stream_holds(const struct stream *s)
{
	return s->held != NULL;
}

static void check(const struct stream *s)
{
	assert(s->held_at <= s->held_len);
	assert((s->held == NULL) == (s->held_len == 0));
}

/* One writer a counter: a load and a store, without a locked instruction. */
static void count(_Atomic uint64_t *counter, int64_t by)
{
	if (counter)
		atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + (uint64_t)by,
		                      memory_order_relaxed);
}

static void update_watch(struct stream *s)
{
	/* Of what is pending the kernel does not know, but a socket that takes bytes is ready at once. */
	uint8_t wanted = s->held ? EPOLLOUT : s->paused ? 0 : s->pending ? EPOLLIN | EPOLLOUT : EPOLLIN;

	if (wanted == s->watched)
		return;
	s->watched = wanted;
	loop_change(s->pool->loop, &s->source, wanted);
}

static void release(struct stream *s)
{
	count(s->pool->holding, -1);
	count(s->pool->held_bytes, -(int64_t)(s->held_len - s->held_at));
	free(s->held);
	s->held = NULL;
	s->held_at = s->held_len = 0;
}

static int hold(struct stream *s, const uint8_t *data, size_t len)
{
	s->held = malloc(len);
	if (!s->held)
		return -ENOMEM;
	memcpy(s->held, data, len);
	s->held_at = 0;
	s->held_len = (uint32_t)len;
	count(s->pool->holding, 1);
	count(s->pool->held_bytes, (int64_t)len);
	update_watch(s);
	if (s->pool->held)
		s->pool->held(s->pool);
	return 0;
}

static bool is_passing(int err)
{
	/* unreached: EWOULDBLOCK is EAGAIN on Linux, and a call that does not wait is not interrupted */
	return err == EAGAIN || err == EWOULDBLOCK || err == EINTR;
}

/* What to do when n of len bytes, or an error, came of a send: apart, for nearly every send takes all. */
static __attribute__((noinline)) int keep_rest(struct stream *s, const uint8_t *data, size_t len, ssize_t n)
{
	int err = n < 0 && !is_passing(errno) ? -errno : 0;
	size_t done = n > 0 ? (size_t)n : 0;

	if (!err)
		err = hold(s, data + done, len - done);
	if (err)
		s->lost = (uint32_t)(len - done);
	return err;
}

static inline int send_wire(struct stream *s, const void *data, size_t len)
{
	ssize_t n = send(s->source.fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	return n == (ssize_t)len ? 0 : keep_rest(s, data, len, n);
}

static __attribute__((noinline)) int send_wrapped(struct stream *s, const void *data, size_t len)
{
	ssize_t n = s->pool->wrap->wrap(s, data, len, s->pool->wire, s->pool->wrap->wire_max);
	int err = n > 0 ? send_wire(s, s->pool->wire, (size_t)n) : (int)n;

	/* unreached: a session that fails as it writes, which tests/full/test_faults_tls.py makes */
	if (n < 0 || s->lost > len)
		s->lost = (uint32_t)len;
	return err;
}

int stream_send(struct stream *s, const void *data, size_t len)
{
	assert(!s->held);
	assert(len <= STREAM_CHUNK_MAX);
	return s->pool->wrap ? send_wrapped(s, data, len) : send_wire(s, data, len);
}

int stream_end(struct stream *s)
{
	assert(!s->held);
	if (!s->pool->wrap)
		return 0;
	ssize_t n = s->pool->wrap->end(s, s->pool->wire, s->pool->wrap->wire_max);
	/* unreached: the same */
	return n > 0 ? send_wire(s, s->pool->wire, (size_t)n) : (int)n;
}

/* Sends what is held. */
static void flush(struct stream *s)
{
	check(s);
	ssize_t n = send(s->source.fd, s->held + s->held_at, s->held_len - s->held_at, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0) {
		if (!is_passing(errno))
			s->on->broken(s, -errno);
		return;
	}
	s->held_at += (uint32_t)n;
	count(s->pool->held_bytes, -n);
	if (s->held_at < s->held_len)
		return;
	size_t len = s->held_len;
	release(s);
	update_watch(s);
	s->on->sent(s, len);
}

/* How much the kernel is sure to take of the next send: free send buffer, and what TCP_NOTSENT_LOWAT leaves. */
static size_t free_send_space(int fd)
{
	uint32_t mem[SK_MEMINFO_VARS] = {0};
	socklen_t len = sizeof(mem);
	int unsent = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, mem, &len) < 0)
		return 0;
	uint32_t alloc = mem[SK_MEMINFO_WMEM_ALLOC], queued = mem[SK_MEMINFO_WMEM_QUEUED],
	         size = mem[SK_MEMINFO_SNDBUF];
	uint32_t used = queued > alloc ? queued : alloc;
	size_t space = used < size ? size - used : 0;
	space -= space / 16; /* each buffer's own head counts too */
	if (ioctl(fd, SIOCOUTQNSD, &unsent) == 0) {
		size_t left = unsent < STREAM_NOTSENT_MAX ? (size_t)(STREAM_NOTSENT_MAX - unsent) : 0;
		space = left < space ? left : space;
	}
	return space;
}

/*
 * A peer that does not read must not leave more than STREAM_HELD_MAX with us, so a read takes that much; more only
 * after one that was filled, and then what the kernel will take off us at once besides.
 */
static size_t read_size(const struct stream *s)
{
	if (s->room)
		return s->room;
	if (!s->filled)
		return STREAM_HELD_MAX;
	size_t size = STREAM_HELD_MAX + free_send_space(s->source.fd);
	return size < STREAM_CHUNK_MAX ? size : STREAM_CHUNK_MAX;
}

/* Wire bytes that came, unwrapped, and handed up. */
static void hand_up(struct stream *s, size_t len, size_t cap)
{
	bool more = false;
	size_t got = 0;
	int result = s->pool->wrap->unwrap(s, s->pool->came, len, s->pool->chunk, cap, &got, &more);

	if (result < 0) {
		s->on->broken(s, result);
	} else if (result > 0) {
		s->on->end(s);
	} else {
		s->pending = more;
		update_watch(s);
		s->on->chunk(s, s->pool->chunk, got);
	}
}

static __attribute__((noinline)) void receive_wrapped(struct stream *s)
{
	size_t cap = read_size(s), size = s->room ? cap : cap - STREAM_WRAP_SLACK;

	if (s->pending) {
		hand_up(s, 0, cap);
		return;
	}
	ssize_t n = recv(s->source.fd, s->pool->came, size, MSG_DONTWAIT);
	if (n > 0) {
		s->filled = (size_t)n >= STREAM_HELD_MAX - STREAM_WRAP_SLACK;
		hand_up(s, (size_t)n, cap);
	} else if (n == 0) {
		s->truncated = true;
		s->on->end(s);
	} else if (!is_passing(errno)) { /* unreached: a false alarm, by the whims of tests/full/test_faults.py */
		s->on->broken(s, -errno);
	}
}

void stream_receive(struct stream *s)
{
	assert(!s->held);
	if (s->pool->wrap) {
		receive_wrapped(s);
		return;
	}
	size_t size = read_size(s);
	ssize_t n = recv(s->source.fd, s->pool->chunk, size, MSG_DONTWAIT);
	if (n > 0) {
		s->filled = (size_t)n >= STREAM_HELD_MAX;
		s->on->chunk(s, s->pool->chunk, (size_t)n);
	} else if (n == 0) {
		s->on->end(s);
	} else if (!is_passing(errno)) {
		s->on->broken(s, -errno);
	}
}

static void tell_broken(struct stream *s)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(s->source.fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 || err == 0)
		err = EPIPE;
	s->on->broken(s, -err);
}

static void ready(struct loop_source *source, uint32_t events)
{
	struct stream *s = container_of(source, struct stream, source);

	if (events & s->watched & EPOLLIN)
		stream_receive(s);
	else if (events & s->watched & EPOLLOUT)
		s->held ? flush(s) : stream_receive(s);
	else if (events & (EPOLLERR | EPOLLHUP))
		tell_broken(s);
}

int stream_open(struct stream *s, struct stream_pool *pool, int fd, const struct stream_events *on, uint16_t room)
{
	*s = (struct stream){
	    .source = {.fd = fd, .ready = ready}, .pool = pool, .on = on, .room = room, .watched = EPOLLIN};
	return loop_add(pool->loop, &s->source, EPOLLIN);
}

void stream_close(struct stream *s)
{
	if (!s->pool)
		return;
	loop_forget(s->pool->loop, &s->source);
	if (s->held)
		release(s);
}

void stream_hand_on(struct stream *s, const struct stream_events *on, uint16_t room)
{
	s->on = on;
	s->room = room;
	s->filled = false;
}

void stream_wrap_in(struct stream *s, struct stream_pool *wrapped, bool pending)
{
	assert(!s->held);
	assert(wrapped->wrap && wrapped->loop == s->pool->loop);
	s->pool = wrapped;
	s->pending = pending;
	update_watch(s);
}

ssize_t stream_skim(struct stream *s, size_t *data)
{
	bool wrapped = s->pool->wrap != NULL, more = false;
	ssize_t n = recv(s->source.fd, wrapped ? s->pool->came : s->pool->chunk, STREAM_HELD_MAX, MSG_DONTWAIT);

	*data = n > 0 ? (size_t)n : 0;
	if (n < 0)
		return -errno;
	/* What cannot be unwrapped is no data. unreached: bytes behind our end that are none of the session's */
	if (n > 0 && wrapped &&
	    s->pool->wrap->unwrap(s, s->pool->came, (size_t)n, s->pool->chunk, STREAM_CHUNK_MAX, data, &more))
		*data = 0;
	return n;
}

void stream_pause(struct stream *s)
{
	s->paused = true;
	update_watch(s);
}

void stream_resume(struct stream *s)
{
	s->paused = false;
	update_watch(s);
}
