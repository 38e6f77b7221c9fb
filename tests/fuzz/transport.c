#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#include "channel.h"
#include "fuzz.h"
#include "transport_end.h"
#include "worker.h"

#define FD_FIRST  (1 << 24)
#define ENDS      48
#define INBOX_MAX 64
#define ASKED_MAX 16

static struct end ends[ENDS];
static uint64_t now_ms = 1;

/* the turn in hand */
static struct loop *turning;
static uint32_t turn_mask;
static unsigned turn_ready;
static bool starting; /* a worker: its thread is whoever tests */

/* the worker's inbox, and the link */
static struct arrival inbox[INBOX_MAX];
static size_t inbox_count;
static enum transport_link link_is;
static int link_fd = -1;
static struct ask asked[ASKED_MAX];
static struct verdict verdicts[ASKED_MAX];
static unsigned asked_count, verdict_count;

/* NULL: none of ours. One of ours is open. */
struct end *transport_end_of(int fd)
{
	if (fd < FD_FIRST)
		return NULL;
	CHECK(fd < FD_FIRST + ENDS && ends[fd - FD_FIRST].kind != TRANSPORT_NONE);
	return &ends[fd - FD_FIRST];
}

/* The lowest that is free, as the kernel gives it. */
int transport_open(enum transport_kind kind)
{
	int i = 0;

	while (ends[i].kind != TRANSPORT_NONE)
		CHECK(++i < ENDS);
	ends[i] = (struct end){.kind = kind, .epoll = -1};
	return FD_FIRST + i;
}

unsigned transport_count(enum transport_kind kind)
{
	unsigned n = 0;

	for (int i = 0; i < ENDS; i++)
		n += ends[i].kind == kind;
	return n;
}

/* ---- epoll ---- */

static uint32_t link_events(int fd)
{
	uint32_t events = link_is != LINK_FULL || fd != link_fd ? EPOLLOUT : 0;

	if (fd != link_fd || link_is == LINK_BROKEN)
		return events | EPOLLIN | EPOLLHUP;
	return verdict_count > 0 ? events | EPOLLIN : events;
}

static uint32_t events_of(const struct end *end)
{
	switch (end->kind) {
	case TRANSPORT_SOCKET: return transport_socket_events(end->wire);
	case TRANSPORT_LISTENER: return end->waiting_count > 0 ? EPOLLIN : 0;
	case TRANSPORT_PIPE: return inbox_count > 0 ? EPOLLIN : 0;
	case TRANSPORT_LINK: return link_events(FD_FIRST + (int)(end - ends));
	case TRANSPORT_NONE:
	case TRANSPORT_EVENT:
	case TRANSPORT_EPOLL: break;
	}
	return 0;
}

int __wrap_epoll_create1(int flags)
{
	(void)flags;
	return transport_open(TRANSPORT_EPOLL);
}

int __wrap_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	struct end *end = transport_end_of(fd);

	CHECK(end && transport_end_of(epoll) && transport_end_of(epoll)->kind == TRANSPORT_EPOLL);
	CHECK(end->epoll < 0 || (end->epoll == epoll && op != EPOLL_CTL_ADD));
	if (op != EPOLL_CTL_ADD && end->epoll < 0) {
		errno = ENOENT; /* harmless where a watch failed before */
		return -1;
	}
	if (op == EPOLL_CTL_ADD && transport_fails(CALL_EPOLL_ADD))
		return -1;
	end->edge = true;
	end->epoll = op == EPOLL_CTL_DEL ? -1 : epoll;
	if (event) {
		end->events = event->events;
		end->source = event->data.ptr;
	}
	return 0;
}

/* What is ready of this loop's, as far as the mask lets it. The loop is told to stop behind it. */
FUZZ_PLAIN int __wrap_epoll_wait(int epoll, struct epoll_event *events, int most, int wait_ms)
{
	int n = 0;

	CHECK(turning && turning->epoll == epoll && wait_ms >= -1);
	for (int i = 0; i < ENDS && n < most; i++) {
		struct end *end = &ends[i];
		uint32_t ready = end->kind != TRANSPORT_NONE && end->epoll == epoll
		                     ? events_of(end) & (end->events | EPOLLERR | EPOLLHUP)
		                     : 0;
		if (!ready || ((end->events & EPOLLET) && !end->edge))
			continue;
		if (!(turn_mask >> (turn_ready++ % 32) & 1))
			continue;
		end->edge = false;
		events[n++] = (struct epoll_event){.events = ready, .data.ptr = end->source};
	}
	turning->stopping = true;
	return n;
}

struct loop_source *transport_watcher(const struct wire *w)
{
	return w->fd >= 0 && ends[w->fd - FD_FIRST].epoll >= 0 ? ends[w->fd - FD_FIRST].source : NULL;
}

unsigned transport_turn(struct loop *loop, uint32_t mask)
{
	turning = loop;
	turn_mask = mask;
	turn_ready = 0;
	loop->stopping = false;
	CHECK(loop_run(loop) == 0);
	turning = NULL;
	return turn_ready;
}

bool transport_is_turning(void)
{
	return turning != NULL;
}

uint64_t __wrap_clock_coarse_ms(void)
{
	return now_ms;
}

void transport_pass_ms(uint64_t ms)
{
	now_ms += ms;
}

int __wrap_close(int fd)
{
	struct end *end = transport_end_of(fd);

	if (!end)
		return __real_close(fd);
	if (end->kind == TRANSPORT_SOCKET)
		transport_close_wire(end->wire);
	if (fd == link_fd)
		link_fd = -1;
	end->kind = TRANSPORT_NONE;
	return 0;
}

/* ---- the inbox, and what is no socket ---- */

int __wrap_pipe2(int fds[2], int flags)
{
	(void)flags;
	fds[0] = transport_open(TRANSPORT_PIPE);
	fds[1] = transport_open(TRANSPORT_EVENT);
	return 0;
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument)
{
	return starting ? 0 : __real_pthread_create(thread, attributes, start, argument);
}

void transport_begin(void)
{
	starting = true;
}

void transport_end(void)
{
	starting = false;
}

ssize_t __wrap_write(int fd, const void *from, size_t len)
{
	size_t count = len / sizeof(inbox[0]);

	if (!transport_end_of(fd))
		return __real_write(fd, from, len);
	if (len == sizeof(uint64_t)) /* the eventfd of an empty worker */
		return (ssize_t)len;
	CHECK(len % sizeof(inbox[0]) == 0 && inbox_count + count <= INBOX_MAX);
	memcpy(inbox + inbox_count, from, len);
	inbox_count += count;
	return (ssize_t)len;
}

ssize_t __wrap_read(int fd, void *to, size_t cap)
{
	struct end *end = transport_end_of(fd);

	if (!end)
		return __real_read(fd, to, cap);
	CHECK(end->kind == TRANSPORT_PIPE && cap >= sizeof(inbox) && inbox_count > 0);
	size_t len = inbox_count * sizeof(inbox[0]);
	memcpy(to, inbox, len);
	inbox_count = 0;
	return (ssize_t)len;
}

int __wrap_fcntl64(int fd, int what, ...)
{
	va_list arguments;

	va_start(arguments, what);
	void *argument = va_arg(arguments, void *);
	va_end(arguments);
	if (!transport_end_of(fd))
		return __real_fcntl64(fd, what, argument);
	return what == F_DUPFD_CLOEXEC ? transport_open(TRANSPORT_EVENT) : 0;
}

/* ---- the link ---- */

void transport_link_is(enum transport_link is)
{
	link_is = is;
}

int transport_link_open(void)
{
	asked_count = verdict_count = 0;
	link_is = LINK_GOOD;
	link_fd = transport_open(TRANSPORT_LINK);
	return link_fd;
}

int channel_send(int fd, const void *message, size_t len, int pass_fd, int dont_wait)
{
	const struct end *end = transport_end_of(fd);

	CHECK(end && end->kind == TRANSPORT_LINK && dont_wait && pass_fd == -1 && len == sizeof(struct ask));
	if (fd != link_fd || link_is == LINK_BROKEN)
		return -EPIPE;
	if (link_is == LINK_FULL || asked_count == ASKED_MAX)
		return -EAGAIN;
	memcpy(&asked[asked_count], message, len);
	for (unsigned i = 0; i < asked_count; i++)
		CHECK(asked[i].id != asked[asked_count].id); /* or a verdict could be anybody's */
	asked_count++;
	return 0;
}

int channel_receive(int fd, void *message, size_t len, int *got_fd, int dont_wait)
{
	const struct end *end = transport_end_of(fd);

	CHECK(end && end->kind == TRANSPORT_LINK && dont_wait && !got_fd && len == sizeof(struct verdict));
	if (fd != link_fd || link_is == LINK_BROKEN)
		return -EPIPE;
	if (verdict_count == 0)
		return -EAGAIN;
	memcpy(message, &verdicts[0], len);
	memmove(verdicts, verdicts + 1, --verdict_count * sizeof(verdicts[0]));
	return 0;
}

bool transport_answer(const struct verdict *verdict)
{
	if (verdict_count == ASKED_MAX)
		return false;
	verdicts[verdict_count++] = *verdict;
	return true;
}

const struct ask *transport_asked(unsigned number)
{
	return number < asked_count ? &asked[number] : NULL;
}

void transport_forget_asked(unsigned number)
{
	memmove(asked + number, asked + number + 1, (--asked_count - number) * sizeof(asked[0]));
}
