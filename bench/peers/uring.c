/* The bare io_uring loop: multishot accept and receive into a ring of provided buffers, direct descriptors, task work
 * deferred to the wait. `uring PORT [BYTES]`: BYTES is the size of one buffer; all buffers together take 4 MiB.
 *
 * A connection's chunks are sent one after the other: two sends of one socket in the air at once may change places
 * when the first has to wait. All connections share the buffers, so one that does not read can stop the others. */
#include "listener.h"

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

enum { ENTRIES = 4096, SLOTS = 16384, POOL = 4 * 1024 * 1024, MAX_BUFFERS = 4096, NONE = -1 };
enum op { ACCEPT, RECV, SEND, CLOSE };

/* Connections are numbered by their direct descriptors, chunks by their buffers; queues are linked by number. */
struct connection {
	int head, tail; /* chunks to send; the first is in the air */
	int next;       /* in the queue of those that found no buffer */
	bool ended;     /* nothing more will be received */
	bool broken;    /* nothing more can be sent */
};

struct chunk {
	int next;
	uint32_t sent, len;
};

static struct io_uring ring;
static struct io_uring_buf_ring *spare;
static struct connection connections[SLOTS];
static struct chunk chunks[MAX_BUFFERS];
static char *pool;
static int listener, buffers, buffer_len, held;
static int starved_head = NONE, starved_tail = NONE;

static struct io_uring_sqe *prepare(enum op op, int slot)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	while (!sqe) {
		io_uring_submit(&ring);
		sqe = io_uring_get_sqe(&ring);
	}
	io_uring_sqe_set_data64(sqe, (uint64_t)slot << 8 | op);
	return sqe;
}

static void start_accept(void)
{
	io_uring_prep_multishot_accept_direct(prepare(ACCEPT, 0), listener, NULL, NULL, 0);
}

static void start_recv(int slot)
{
	struct io_uring_sqe *sqe = prepare(RECV, slot);

	io_uring_prep_recv_multishot(sqe, slot, NULL, 0, 0);
	sqe->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
}

static void start_send(int slot)
{
	int id = connections[slot].head;
	struct chunk *chunk = &chunks[id];
	struct io_uring_sqe *sqe = prepare(SEND, slot);

	io_uring_prep_send(sqe, slot, pool + (size_t)id * (size_t)buffer_len + chunk->sent, chunk->len - chunk->sent,
	                   MSG_WAITALL | MSG_NOSIGNAL);
	sqe->flags |= IOSQE_FIXED_FILE;
}

static void give_back(int id)
{
	io_uring_buf_ring_add(spare, pool + (size_t)id * (size_t)buffer_len, (unsigned)buffer_len, (uint16_t)id,
	                      io_uring_buf_ring_mask((uint32_t)buffers), 0);
	io_uring_buf_ring_advance(spare, 1);
}

static void close_when_done(int slot)
{
	struct connection *c = &connections[slot];

	if (c->ended && c->head == NONE)
		io_uring_prep_close_direct(prepare(CLOSE, slot), (unsigned)slot);
}

static void accepted(int slot, bool more)
{
	if (slot >= 0) {
		connections[slot] = (struct connection){.head = NONE, .tail = NONE};
		start_recv(slot);
	}
	if (!more)
		start_accept();
}

static void starve(int slot)
{
	connections[slot].next = NONE;
	if (starved_head == NONE)
		starved_head = slot;
	else
		connections[starved_tail].next = slot;
	starved_tail = slot;
}

static void feed(void)
{
	for (int n = buffers - held; n > 0 && starved_head != NONE; n--) {
		start_recv(starved_head);
		starved_head = connections[starved_head].next;
	}
}

static void queue(int slot, int id, uint32_t len)
{
	struct connection *c = &connections[slot];

	chunks[id] = (struct chunk){.next = NONE, .len = len};
	held++;
	if (c->head != NONE) {
		chunks[c->tail].next = id;
		c->tail = id;
	} else {
		c->head = c->tail = id;
		start_send(slot);
	}
}

static void received(int slot, const struct io_uring_cqe *cqe)
{
	struct connection *c = &connections[slot];
	int id = (int)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);

	if (cqe->res > 0 && c->broken)
		give_back(id);
	else if (cqe->res > 0)
		queue(slot, id, (uint32_t)cqe->res);
	if (cqe->flags & IORING_CQE_F_MORE)
		return;
	if (cqe->res > 0) {
		start_recv(slot);
	} else if (cqe->res == -ENOBUFS) {
		starve(slot);
	} else {
		c->ended = true;
		close_when_done(slot);
	}
}

static void drop_first(struct connection *c)
{
	int id = c->head;

	c->head = chunks[id].next;
	held--;
	give_back(id);
}

static void sent(int slot, int res)
{
	struct connection *c = &connections[slot];
	struct chunk *chunk = &chunks[c->head];

	c->broken = res < 0;
	chunk->sent += c->broken ? 0 : (uint32_t)res;
	if (c->broken)
		while (c->head != NONE)
			drop_first(c);
	else if (chunk->sent == chunk->len)
		drop_first(c);
	if (c->head != NONE)
		start_send(slot);
	else
		close_when_done(slot);
}

static void handle(const struct io_uring_cqe *cqe)
{
	int slot = (int)(cqe->user_data >> 8);

	switch ((enum op)(cqe->user_data & 0xff)) {
	case ACCEPT: accepted(cqe->res, cqe->flags & IORING_CQE_F_MORE); break;
	case RECV: received(slot, cqe); break;
	case SEND: sent(slot, cqe->res); break;
	case CLOSE: break;
	}
}

static void must(const char *what, int res)
{
	if (res < 0) {
		fprintf(stderr, "uring: %s: %s\n", what, strerror(-res));
		exit(1);
	}
}

static void open_ring(void)
{
	struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
	struct io_uring_buf_reg reg = {.ring_entries = (uint32_t)buffers};
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	must("no io_uring here", io_uring_queue_init_params(ENTRIES, &ring, &params));
	must("file table", io_uring_register_files_sparse(&ring, SLOTS));
	pool = aligned_alloc(page, POOL);
	spare = aligned_alloc(page, MAX_BUFFERS * sizeof(struct io_uring_buf));
	if (!pool || !spare)
		must("buffers", -ENOMEM);
	reg.ring_addr = (uintptr_t)spare;
	must("buffer ring", io_uring_register_buf_ring(&ring, &reg, 0));
	io_uring_buf_ring_init(spare);
	for (int id = 0; id < buffers; id++)
		give_back(id);
}

int main(int argc, char **argv)
{
	struct io_uring_cqe *cqe;
	unsigned head, seen;

	buffer_len = argc > 2 ? atoi(argv[2]) : 64 * 1024;
	buffers = buffer_len > 0 ? POOL / buffer_len : 0;
	if (buffers < 1 || buffers > MAX_BUFFERS || (buffers & (buffers - 1)))
		must("size of a buffer: a power of two from 1 KiB to 4 MiB", -EINVAL);
	listener = listener_open(argc > 1 ? argv[1] : "7862");
	open_ring();
	start_accept();
	for (;;) {
		io_uring_submit_and_wait(&ring, 1);
		seen = 0;
		io_uring_for_each_cqe(&ring, head, cqe)
		{
			handle(cqe);
			seen++;
		}
		io_uring_cq_advance(&ring, seen);
		feed();
	}
}
