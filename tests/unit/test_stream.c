/* The chunk contract of loop/stream.h, over real sockets, on a loop that is turned by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream.h"

struct bench {
	struct loop loop;
	struct stream_pool pool;
	_Atomic uint64_t holding, held_bytes;
	struct stream stream;
	int ours, peer;
	size_t received, largest, sent_events;
	int broken;
	bool ended, open;
};

/* What the linker hands to us of the stream's calls: one fails while it is named here. */
static const char *failing = "";

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
	return strcmp(failing, "malloc") == 0 ? NULL : __real_malloc(size);
}

void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return strcmp(failing, "malloc") == 0 ? NULL : __real_aligned_alloc(alignment, size);
}

int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	errno = ENOBUFS;
	return strcmp(failing, "getsockopt") == 0 ? -1 : __real_getsockopt(fd, level, name, value, len);
}

static struct bench *bench_of(struct stream *s)
{
	return container_of(s, struct bench, stream);
}

static void check(const struct bench *b)
{
	const struct stream *s = &b->stream;

	assert_true(s->held_at <= s->held_len);
	assert_int_equal(s->held == NULL, s->held_len == 0);
	assert_int_equal(b->holding, s->held != NULL);
	assert_int_equal(b->held_bytes, s->held_len - s->held_at);
}

static void echo_chunk(struct stream *s, const uint8_t *data, size_t len)
{
	struct bench *b = bench_of(s);

	b->received += len;
	if (len > b->largest)
		b->largest = len;
	assert_int_equal(stream_send(s, data, len), 0);
	if (b->pool.holding)
		check(b);
}

static void count_end(struct stream *s)
{
	bench_of(s)->ended = true;
	stream_pause(s);
}

static void count_sent(struct stream *s, size_t len)
{
	assert_true(len > 0);
	assert_false(stream_holds(s));
	bench_of(s)->sent_events++;
	check(bench_of(s));
}

static void count_broken(struct stream *s, int err)
{
	struct bench *b = bench_of(s);

	b->broken = err;
	stream_close(s);
	b->open = false;
}

static const struct stream_events echo = {
    .chunk = echo_chunk, .end = count_end, .sent = count_sent, .broken = count_broken};

/* Both ends of a TCP connection over loopback, with what the server sets on its own end. */
static void tcp_pair(int ends[2])
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int lowat = STREAM_NOTSENT_MAX, listener = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(listener >= 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
	ends[1] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(ends[1], (struct sockaddr *)&addr, len), 0);
	ends[0] = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	assert_true(ends[0] >= 0);
	assert_int_equal(setsockopt(ends[0], IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof(lowat)), 0);
	close(listener);
}

static int set_up(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	int ends[2];

	assert_non_null(b);
	tcp_pair(ends);
	b->ours = ends[0];
	b->peer = ends[1];
	assert_int_equal(loop_init(&b->loop), 0);
	assert_int_equal(stream_pool_init(&b->pool, &b->loop), 0);
	b->pool.holding = &b->holding;
	b->pool.held_bytes = &b->held_bytes;
	assert_int_equal(stream_open(&b->stream, &b->pool, b->ours, &echo, 0), 0);
	b->open = true;
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *b = *state;

	if (b->open)
		stream_close(&b->stream);
	stream_pool_fini(&b->pool);
	loop_fini(&b->loop);
	close(b->ours);
	if (b->peer >= 0)
		close(b->peer);
	free(b);
	return 0;
}

/* Waits at most wait_ms for events and hands them out. Returns how many there were. */
static int turn(struct bench *b, int wait_ms)
{
	struct epoll_event events[4];
	int n = epoll_wait(b->loop.epoll, events, 4, wait_ms);

	for (int i = 0; i < n; i++) {
		struct loop_source *source = events[i].data.ptr;
		source->ready(source, events[i].events);
	}
	return n;
}

static size_t send_until_full(struct bench *b, const uint8_t *data, size_t len)
{
	size_t total = 0;

	for (;;) {
		ssize_t n = send(b->peer, data + total, len - total, MSG_DONTWAIT);
		if (n > 0)
			total += (size_t)n;
		/* Full, and the stream has nothing more to do: back-pressure has come all the way. */
		if (turn(b, 0) == 0 && n <= 0)
			return total;
		if (total == len)
			return total;
	}
}

static uint8_t *pattern(size_t len)
{
	uint8_t *data = malloc(len);
	uint32_t x = 2463534242; /* xorshift32 (Marsaglia, 2003): each place tells its offset from its neighbours' */

	assert_non_null(data);
	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		data[i] = (uint8_t)x;
	}
	return data;
}

static void one_that_keeps_up_owns_no_buffer(void **state)
{
	struct bench *b = *state;
	char back[6];

	for (int i = 0; i < 100; i++) {
		assert_int_equal(send(b->peer, "hello", 6, 0), 6);
		assert_int_equal(turn(b, 5000), 1);
		assert_null(b->stream.held);
		assert_int_equal(recv(b->peer, back, 6, MSG_WAITALL), 6);
		assert_memory_equal(back, "hello", 6);
	}
	assert_int_equal(b->received, 600);
	assert_int_equal(b->sent_events, 0);
}

static void one_that_does_not_read_leaves_at_most_a_chunk(void **state)
{
	struct bench *b = *state;
	size_t len = 64 << 20, got = 0;
	uint8_t *data = pattern(len), *back = malloc(1 << 20);
	size_t sent = send_until_full(b, data, len);

	assert_true(sent < len);
	assert_true(stream_holds(&b->stream));
	assert_true(b->held_bytes <= STREAM_HELD_MAX);
	assert_int_equal(b->stream.watched, EPOLLOUT); /* and it is not read from */
	size_t received = b->received;
	assert_int_equal(turn(b, 0), 0);
	assert_int_equal(b->received, received);

	/* Then it reads: every byte is there, in order. */
	shutdown(b->peer, SHUT_WR);
	while (got < sent) {
		ssize_t n = recv(b->peer, back, 1 << 20, MSG_DONTWAIT);
		if (n > 0) {
			assert_memory_equal(back, data + got, (size_t)n);
			got += (size_t)n;
		} else {
			turn(b, 5000);
		}
		check(b);
	}
	assert_true(b->sent_events > 0);
	assert_false(stream_holds(&b->stream));
	while (!b->ended)
		turn(b, 5000);
	free(data);
	free(back);
}

static void bulk_is_read_in_large_pieces(void **state)
{
	struct bench *b = *state;
	size_t len = 32 << 20, sent = 0, got = 0;
	uint8_t *data = pattern(len), *back = malloc(1 << 20);

	while (got < len) {
		ssize_t n = sent < len ? send(b->peer, data + sent, len - sent, MSG_DONTWAIT) : 0;
		if (n > 0)
			sent += (size_t)n;
		turn(b, 0);
		n = recv(b->peer, back, 1 << 20, MSG_DONTWAIT);
		if (n > 0) {
			assert_memory_equal(back, data + got, (size_t)n);
			got += (size_t)n;
		}
	}
	assert_true(b->largest > STREAM_HELD_MAX);
	assert_true(b->largest <= STREAM_CHUNK_MAX);
	free(data);
	free(back);
}

static void a_stage_with_little_room_gets_no_more(void **state)
{
	struct bench *b = *state;

	stream_hand_on(&b->stream, &echo, 7);
	assert_int_equal(send(b->peer, "0123456789abcdef", 16, 0), 16);
	for (int i = 0; i < 3; i++)
		assert_int_equal(turn(b, 5000), 1);
	assert_int_equal(b->received, 16);
	assert_int_equal(b->largest, 7);
}

static void a_paused_one_is_not_read_from_but_sees_a_reset(void **state)
{
	struct bench *b = *state;
	struct linger at_once = {.l_onoff = 1};

	stream_pause(&b->stream);
	assert_int_equal(send(b->peer, "x", 1, 0), 1);
	assert_int_equal(turn(b, 0), 0);
	assert_int_equal(b->received, 0);
	stream_resume(&b->stream);
	assert_int_equal(turn(b, 5000), 1);
	assert_int_equal(b->received, 1);
	stream_pause(&b->stream);
	setsockopt(b->peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(b->peer);
	b->peer = -1;
	assert_int_equal(turn(b, 5000), 1);
	assert_int_equal(b->broken, -ECONNRESET);
}

static void a_fin_comes_after_the_last_byte(void **state)
{
	struct bench *b = *state;

	assert_int_equal(send(b->peer, "last", 4, 0), 4);
	shutdown(b->peer, SHUT_WR);
	turn(b, 5000);
	assert_int_equal(b->received, 4);
	assert_false(b->ended);
	turn(b, 5000);
	assert_true(b->ended);
}

static void hold_a_chunk(struct bench *b)
{
	uint8_t *data = pattern(4 << 20);

	while (!stream_holds(&b->stream))
		assert_int_equal(stream_send(&b->stream, data, STREAM_HELD_MAX), 0);
	free(data);
}

/* The kernel takes a held chunk in pieces where its buffer is small; a unix socket's is as small as it is told. */
static void a_held_chunk_goes_out_in_pieces(void **state)
{
	struct bench *b = *state;
	char back[512];
	int ends[2], small = 8192;
	size_t pieces = 0;

	stream_close(&b->stream);
	close(b->ours);
	close(b->peer);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	b->ours = ends[0];
	b->peer = ends[1];
	assert_int_equal(setsockopt(b->ours, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	assert_int_equal(stream_open(&b->stream, &b->pool, b->ours, &echo, 0), 0);
	hold_a_chunk(b);
	while (stream_holds(&b->stream)) {
		uint32_t was_at = b->stream.held_at;
		assert_true(recv(b->peer, back, sizeof(back), 0) > 0);
		turn(b, 0);
		pieces += b->stream.held_at > was_at;
		check(b);
	}
	assert_true(pieces > 1);
	assert_int_equal(b->sent_events, 1);
}

static void reset(struct bench *b)
{
	struct linger at_once = {.l_onoff = 1};

	setsockopt(b->peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(b->peer);
	b->peer = -1;
}

static void a_reset_is_told_to_one_that_reads(void **state)
{
	struct bench *b = *state;

	reset(b);
	assert_int_equal(turn(b, 5000), 1);
	assert_int_equal(b->broken, -ECONNRESET);
}

static void a_reset_is_told_to_one_that_holds(void **state)
{
	struct bench *b = *state;

	hold_a_chunk(b);
	reset(b);
	while (b->open)
		assert_int_equal(turn(b, 5000), 1);
	assert_true(b->broken == -ECONNRESET || b->broken == -EPIPE);
	assert_int_equal(b->held_bytes, 0);
}

/* Both ends have shut down: that is no error of the socket's, but nothing more will come. */
static void a_hangup_is_told_to_one_that_is_paused(void **state)
{
	struct bench *b = *state;

	stream_pause(&b->stream);
	shutdown(b->ours, SHUT_WR);
	shutdown(b->peer, SHUT_WR);
	assert_int_equal(turn(b, 5000), 1);
	assert_int_equal(b->broken, -EPIPE);
}

static void a_reset_is_told_where_its_error_is_not(void **state)
{
	struct bench *b = *state;

	stream_pause(&b->stream);
	reset(b);
	failing = "getsockopt";
	assert_int_equal(turn(b, 5000), 1);
	failing = "";
	assert_int_equal(b->broken, -EPIPE);
}

/* What one epoll_wait brought may be out of date: another connection's turn has paused this one. */
static void an_event_that_is_out_of_date_does_nothing(void **state)
{
	struct bench *b = *state;

	assert_int_equal(send(b->peer, "x", 1, 0), 1);
	stream_pause(&b->stream);
	b->stream.source.ready(&b->stream.source, EPOLLIN);
	b->stream.source.ready(&b->stream.source, EPOLLOUT);
	assert_int_equal(b->received, 0);
	stream_resume(&b->stream);
	stream_receive(&b->stream);
	stream_receive(&b->stream); /* and there may be nothing any more */
	assert_int_equal(b->received, 1);
	hold_a_chunk(b);
	b->stream.source.ready(&b->stream.source, EPOLLOUT); /* the socket is full again */
	assert_true(stream_holds(&b->stream));
}

static void a_send_to_one_that_has_gone_fails(void **state)
{
	struct bench *b = *state;
	int err = 0;

	reset(b);
	for (int i = 0; i < 1000 && !err; i++)
		err = stream_send(&b->stream, "gone", 4);
	assert_true(err == -ECONNRESET || err == -EPIPE);
	assert_int_equal(b->stream.lost, 4);
	assert_false(stream_holds(&b->stream));
}

static void without_memory_the_chunk_is_lost_and_counted(void **state)
{
	struct bench *b = *state;
	uint8_t *data = pattern(STREAM_HELD_MAX);
	int err = 0;

	failing = "malloc";
	while (!err)
		err = stream_send(&b->stream, data, STREAM_HELD_MAX);
	assert_int_equal(stream_pool_init(&(struct stream_pool){0}, &b->loop), -ENOMEM);
	failing = "";
	assert_int_equal(err, -ENOMEM);
	assert_true(b->stream.lost > 0 && b->stream.lost <= STREAM_HELD_MAX);
	free(data);
}

/* A socket that tells nothing of its buffers, and a pool that counts nothing: then it echoes all the same. */
static void what_is_not_told_or_counted_does_no_harm(void **state)
{
	struct bench *b = *state;
	uint8_t *data = pattern(2 * STREAM_HELD_MAX);

	b->pool.holding = b->pool.held_bytes = NULL;
	failing = "getsockopt";
	for (size_t sent = 0, got = 0; got < 2 * STREAM_HELD_MAX;) {
		ssize_t n = send(b->peer, data + sent, 2 * STREAM_HELD_MAX - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		sent += n > 0 ? (size_t)n : 0;
		while (turn(b, 0) > 0)
			;
		uint8_t back[4096];
		n = recv(b->peer, back, sizeof(back), MSG_DONTWAIT);
		if (n > 0) {
			assert_memory_equal(back, data + got, (size_t)n);
			got += (size_t)n;
		}
	}
	failing = "";
	assert_int_equal(b->received, 2 * STREAM_HELD_MAX);
	hold_a_chunk(b);
	stream_close(&b->stream);
	b->open = false;
	stream_close(&(struct stream){0});
	free(data);
}

#define ON_SOCKETS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    ON_SOCKETS(one_that_keeps_up_owns_no_buffer),
	    ON_SOCKETS(one_that_does_not_read_leaves_at_most_a_chunk),
	    ON_SOCKETS(bulk_is_read_in_large_pieces),
	    ON_SOCKETS(a_stage_with_little_room_gets_no_more),
	    ON_SOCKETS(a_paused_one_is_not_read_from_but_sees_a_reset),
	    ON_SOCKETS(a_fin_comes_after_the_last_byte),
	    ON_SOCKETS(a_held_chunk_goes_out_in_pieces),
	    ON_SOCKETS(a_reset_is_told_to_one_that_reads),
	    ON_SOCKETS(a_reset_is_told_to_one_that_holds),
	    ON_SOCKETS(a_hangup_is_told_to_one_that_is_paused),
	    ON_SOCKETS(a_reset_is_told_where_its_error_is_not),
	    ON_SOCKETS(an_event_that_is_out_of_date_does_nothing),
	    ON_SOCKETS(a_send_to_one_that_has_gone_fails),
	    ON_SOCKETS(without_memory_the_chunk_is_lost_and_counted),
	    ON_SOCKETS(what_is_not_told_or_counted_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
