/*
 * The bare load: an epoll loop that sends, receives, counts and checks nothing. It drives the servers of script/bench,
 * and is the yardstick for a load generator that does check.
 *
 *     client --port N [--connections N] [--bytes N] [--in-flight N] [--login NAME:SECRET] [--hogs N] [--record]
 *            [--visit] [--messages N] [--sources N] [--seconds N]
 *
 * All connections are made, logged in, and have had one byte there and back first; then it says `ready`. With --seconds
 * it runs so long, says what it did, and ends. Else standard input leads it: a byte `g` starts it, `m` asks for a mark,
 * and the end of input ends it. A mark is one line: `messages N bytes N wall_ns N cpu_ns N`, with --record `p50_ns N
 * p99_ns N …` behind, and what was recorded starts anew. With --messages it stops after so many and gives a mark by
 * itself.
 *
 * --visit makes each message a connection of its own: open, send the bytes and have them back, or log in; close.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER     (256 * 1024) /* a read, a write: what the floor reads too */
#define BATCH      256
#define SETUP      64 /* logins under way at once while connections are made */
#define HOG_BYTES  (64 * 1024)
#define HOG_FLIGHT 16
#define PATIENCE_S 60

/* Buckets of latency: 64 to each power of two, so within 1.6 %. */
#define SUB_BITS 6
#define BUCKETS  ((65 - SUB_BITS) << SUB_BITS)

struct connection {
	int fd;
	uint32_t bytes, in_flight, got; /* got: of the message that is coming back */
	uint64_t owed;                  /* bytes to be sent as soon as there is room */
	uint64_t sent_ns;
	bool writing, hog, entered; /* entered: the 230 line has come */
	uint8_t column;             /* in the reply line that is coming, up to sizeof code */
	char code[4];
};

struct client {
	struct sockaddr_in server;
	uint32_t connections, bytes, in_flight, hogs, sources, opened;
	bool record, visit, running;
	uint64_t limit, started, messages, total_bytes; /* started counts messages, where there is a limit */
	uint64_t begin_ns;
	char login[256];
	int epoll;
	struct connection *all;
	uint32_t *bucket;
};

static uint8_t received[BUFFER], payload[BUFFER];
static volatile sig_atomic_t time_is_up;

static void fail(const char *format, ...)
{
	va_list arguments;
	int err = errno;

	va_start(arguments, format);
	fputs("client: ", stderr);
	vfprintf(stderr, format, arguments);
	fprintf(stderr, ": %s\n", strerror(err));
	exit(1);
}

static void refuse(const char *why)
{
	fprintf(stderr, "client: %s\n", why);
	exit(1);
}

static uint64_t clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- latency */

static void record(struct client *b, uint64_t ns)
{
	int shift = ns < (1u << (SUB_BITS + 1)) ? 0 : 63 - SUB_BITS - __builtin_clzll(ns);

	b->bucket[((uint64_t)shift << SUB_BITS) + (ns >> shift)]++;
}

static uint64_t bucket_ns(uint32_t i)
{
	uint32_t shift = i >> SUB_BITS ? (i >> SUB_BITS) - 1 : 0;

	return (uint64_t)(i - (shift << SUB_BITS)) << shift;
}

static uint64_t percentile_ns(const struct client *b, double share)
{
	uint64_t count = 0, seen = 0;

	for (uint32_t i = 0; i < BUCKETS; i++)
		count += b->bucket[i];
	for (uint32_t i = 0; i < BUCKETS; i++) {
		seen += b->bucket[i];
		if (seen && (double)seen >= share * (double)count)
			return bucket_ns(i);
	}
	return 0;
}

static void mark(struct client *b)
{
	printf("messages %" PRIu64 " bytes %" PRIu64 " wall_ns %" PRIu64 " cpu_ns %" PRIu64, b->messages,
	       b->total_bytes, clock_ns(CLOCK_MONOTONIC) - b->begin_ns, clock_ns(CLOCK_PROCESS_CPUTIME_ID));
	if (b->record) {
		printf(" p50_ns %" PRIu64 " p90_ns %" PRIu64 " p99_ns %" PRIu64 " p999_ns %" PRIu64 " max_ns %" PRIu64,
		       percentile_ns(b, .5), percentile_ns(b, .9), percentile_ns(b, .99), percentile_ns(b, .999),
		       percentile_ns(b, 1));
		memset(b->bucket, 0, BUCKETS * sizeof *b->bucket);
	}
	printf("\n");
	fflush(stdout);
}

/* ---- opening */

static void watch(struct client *b, struct connection *c, int how, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = c};

	if (epoll_ctl(b->epoll, how, c->fd, &event) < 0)
		fail("watch a connection");
	c->writing = events & EPOLLOUT;
}

/* Loopback has one port range a source address, so many visits take turns among several. */
static void bind_source(struct client *b, int fd)
{
	struct sockaddr_in source = {.sin_family = AF_INET};

	if (b->sources == 0)
		return;
	source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + b->opened % b->sources);
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int));
	if (bind(fd, (struct sockaddr *)&source, sizeof source) < 0)
		fail("bind a source address");
}

static void dial(struct client *b, struct connection *c)
{
	struct timeval patience = {.tv_sec = PATIENCE_S};

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		fail("make socket %" PRIu32, b->opened);
	bind_source(b, c->fd);
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	if (connect(c->fd, (struct sockaddr *)&b->server, sizeof b->server) < 0)
		fail("connect number %" PRIu32, b->opened);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	b->opened++;
	c->column = 0;
	c->entered = false;
	if (b->login[0] && send(c->fd, b->login, strlen(b->login), MSG_NOSIGNAL) < 0)
		fail("log in");
}

/* Reads the login's replies. Nothing may come behind the 230: no data was sent. */
static void read_replies(struct connection *c, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (c->column < sizeof c->code)
			c->code[c->column++] = (char)data[i];
		if (data[i] != '\n')
			continue;
		if (c->column == sizeof c->code && (c->code[0] == '4' || c->code[0] == '5'))
			refuse("the server refused a login");
		c->entered = c->entered || memcmp(c->code, "230 ", sizeof c->code) == 0;
		c->column = 0;
	}
}

static void await_login(struct connection *c)
{
	while (!c->entered) {
		ssize_t n = recv(c->fd, received, sizeof received, 0);
		if (n <= 0)
			fail("read the login's replies");
		read_replies(c, received, (size_t)n);
	}
}

/* Where each connection is served by a process of its own, that process is there after this. */
static void await_byte(struct connection *c)
{
	if (recv(c->fd, received, 1, 0) != 1)
		fail("read the first byte");
}

static void open_batch(struct client *b, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		dial(b, &b->all[i]);
	for (uint32_t i = from; i < to; i++) {
		struct connection *c = &b->all[i];
		if (b->login[0])
			await_login(c);
		if (send(c->fd, payload, 1, MSG_NOSIGNAL) != 1)
			fail("send the first byte");
	}
	for (uint32_t i = from; i < to; i++) {
		struct connection *c = &b->all[i];
		await_byte(c);
		fcntl(c->fd, F_SETFL, O_NONBLOCK);
		watch(b, c, EPOLL_CTL_ADD, EPOLLIN);
	}
}

static void open_all(struct client *b)
{
	uint32_t count = b->connections + b->hogs;

	b->all = calloc(count, sizeof *b->all);
	b->bucket = calloc(BUCKETS, sizeof *b->bucket);
	if (!b->all || !b->bucket)
		fail("allocate");
	for (uint32_t i = 0; i < count; i++) {
		bool hog = i >= b->connections;
		b->all[i].hog = hog;
		b->all[i].bytes = hog ? HOG_BYTES : b->bytes;
		b->all[i].in_flight = hog ? HOG_FLIGHT : b->in_flight;
	}
	for (uint32_t i = 0; i < count && !b->visit; i += SETUP)
		open_batch(b, i, i + SETUP < count ? i + SETUP : count);
}

/* ---- the closed loop */

static void push(struct client *b, struct connection *c)
{
	while (c->owed > 0) {
		size_t len = c->owed < sizeof payload ? (size_t)c->owed : sizeof payload;
		ssize_t n = send(c->fd, payload, len, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			fail("send");
		if (n < 0) {
			if (!c->writing)
				watch(b, c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
			return;
		}
		c->owed -= (uint64_t)n;
	}
	if (c->writing)
		watch(b, c, EPOLL_CTL_MOD, EPOLLIN);
}

/* Sends so many messages more, as far as the limit allows. */
static void start(struct client *b, struct connection *c, uint64_t count)
{
	if (b->limit) {
		count = count < b->limit - b->started ? count : b->limit - b->started;
		b->started += count;
	}
	c->owed += count * c->bytes;
	if (b->record && count > 0)
		c->sent_ns = clock_ns(CLOCK_MONOTONIC);
	push(b, c);
}

static uint32_t whole_messages(struct connection *c, size_t len)
{
	uint32_t whole = 0;

	c->got += (uint32_t)len;
	while (c->got >= c->bytes) {
		c->got -= c->bytes;
		whole++;
	}
	return whole;
}

static void receive(struct client *b, struct connection *c)
{
	ssize_t n = recv(c->fd, received, sizeof received, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		fail(n < 0 ? "receive" : "receive: the server ended a connection");
	uint32_t whole = whole_messages(c, (size_t)n);
	if (!c->hog) {
		b->total_bytes += (uint64_t)n;
		b->messages += whole;
		if (b->record && whole > 0)
			record(b, clock_ns(CLOCK_MONOTONIC) - c->sent_ns);
	}
	if (whole > 0)
		start(b, c, whole);
}

/* ---- visits */

static void visit(struct client *b, struct connection *c)
{
	dial(b, c);
	watch(b, c, EPOLL_CTL_ADD, EPOLLIN);
	if (b->login[0])
		return;
	c->got = 0;
	if (send(c->fd, payload, c->bytes, MSG_NOSIGNAL) < 0)
		fail("send");
}

static void visit_goes_on(struct client *b, struct connection *c)
{
	ssize_t n = recv(c->fd, received, sizeof received, 0);
	if (n <= 0)
		fail(n < 0 ? "receive" : "receive: the server ended a visit");
	bool over;
	if (b->login[0]) {
		read_replies(c, received, (size_t)n);
		over = c->entered;
	} else {
		over = whole_messages(c, (size_t)n) > 0;
	}
	if (!over)
		return;
	close(c->fd);
	b->messages++;
	visit(b, c);
}

/* ---- being led */

static void go(struct client *b)
{
	b->running = true;
	b->begin_ns = clock_ns(CLOCK_MONOTONIC);
	for (uint32_t i = 0; i < b->connections + b->hogs; i++) {
		if (b->visit)
			visit(b, &b->all[i]);
		else
			start(b, &b->all[i], b->all[i].in_flight);
	}
}

/* Returns whether to go on. */
static bool obey(struct client *b)
{
	char word;
	ssize_t n = read(STDIN_FILENO, &word, 1);

	if (n <= 0)
		return false;
	if (word == 'g')
		go(b);
	if (word == 'm')
		mark(b);
	return true;
}

static bool serve(struct client *b, const struct epoll_event *event)
{
	struct connection *c = event->data.ptr;

	if (!c)
		return obey(b);
	if (event->events & EPOLLOUT)
		push(b, c);
	if (event->events & ~(uint32_t)EPOLLOUT) {
		if (b->visit)
			visit_goes_on(b, c);
		else
			receive(b, c);
	}
	return true;
}

static void run(struct client *b)
{
	struct epoll_event events[BATCH];
	bool on = true;

	while (on && !time_is_up) {
		int n = epoll_wait(b->epoll, events, BATCH, -1);
		for (int i = 0; i < n && on; i++)
			on = serve(b, &events[i]);
		if (b->limit && b->messages == b->limit) {
			mark(b);
			b->limit = 0;
			b->messages = 0;
		}
	}
}

static void on_alarm(int signal)
{
	(void)signal;
	time_is_up = 1;
}

static void run_for(struct client *b, uint32_t seconds)
{
	struct sigaction action = {.sa_handler = on_alarm};

	sigaction(SIGALRM, &action, NULL);
	alarm(seconds);
	go(b);
	run(b);
	mark(b);
}

static void run_led(struct client *b)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

	if (epoll_ctl(b->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event) < 0)
		fail("watch standard input");
	run(b);
}

/* ---- options */

static void usage(void)
{
	fputs("usage: client --port N [--connections N] [--bytes N] [--in-flight N] [--login NAME:SECRET] [--hogs N]\n"
	      "              [--record] [--visit] [--messages N] [--sources N] [--seconds N]\n",
	      stderr);
	exit(2);
}

static uint32_t number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || end == text || n > UINT32_MAX)
		usage();
	return (uint32_t)n;
}

static void set_login(struct client *b, const char *text)
{
	const char *colon = strchr(text, ':');
	if (!colon)
		usage();
	int n = snprintf(b->login, sizeof b->login, "USER %.*s\r\nPASS %s\r\n", (int)(colon - text), text, colon + 1);
	if (n < 0 || (size_t)n >= sizeof b->login)
		usage();
}

static const struct option OPTIONS[] = {{"port", 1, 0, 'p'},      {"connections", 1, 0, 'c'}, {"bytes", 1, 0, 'b'},
                                        {"in-flight", 1, 0, 'f'}, {"login", 1, 0, 'l'},       {"hogs", 1, 0, 'h'},
                                        {"record", 0, 0, 'r'},    {"visit", 0, 0, 'v'},       {"messages", 1, 0, 'm'},
                                        {"sources", 1, 0, 's'},   {"seconds", 1, 0, 't'},     {0, 0, 0, 0}};

static uint32_t read_options(struct client *b, int argc, char **argv)
{
	uint32_t seconds = 0;

	for (int o; (o = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
		switch (o) {
		case 'p': b->server.sin_port = htons((uint16_t)number(optarg)); break;
		case 'c': b->connections = number(optarg); break;
		case 'b': b->bytes = number(optarg); break;
		case 'f': b->in_flight = number(optarg); break;
		case 'l': set_login(b, optarg); break;
		case 'h': b->hogs = number(optarg); break;
		case 'r': b->record = true; break;
		case 'v': b->visit = true; break;
		case 'm': b->limit = number(optarg); break;
		case 's': b->sources = number(optarg); break;
		case 't': seconds = number(optarg); break;
		default: usage();
		}
	}
	if (optind < argc || !b->server.sin_port || !b->bytes || !b->in_flight || !(b->connections + b->hogs))
		usage();
	return seconds;
}

int main(int argc, char **argv)
{
	static struct client b = {.connections = 1, .bytes = 64, .in_flight = 1};

	b.server = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	uint32_t seconds = read_options(&b, argc, argv);
	for (size_t i = 0; i < sizeof payload; i++)
		payload[i] = (uint8_t)(i * 31);
	b.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (b.epoll < 0)
		fail("make an epoll");
	open_all(&b);
	puts("ready");
	fflush(stdout);
	if (seconds)
		run_for(&b, seconds);
	else
		run_led(&b);
	return 0;
}
