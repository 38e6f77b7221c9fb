/*
 * The bare ping: sends a message each interval over one connection and prints each round trip, in ns, a line each. It
 * checks nothing; `echoc ping` is held against it on the same path, so that what is left is echoc's own.
 *
 *     pinger ADDRESS PORT COUNT INTERVAL_US BYTES
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BYTES_MAX  65536
#define PATIENCE_S 10

struct pinger {
	int fd;
	uint64_t count, interval_ns, bytes;
	uint64_t sent, came, got; /* messages, but for got: bytes of the one that is coming */
	uint64_t *sent_ns, *trip_ns;
};

static void fail(const char *what)
{
	fprintf(stderr, "pinger: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int connect_to(const char *address, const char *port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || inet_pton(AF_INET, address, &to.sin_addr) != 1)
		fail(address);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on))
		fail("connect");
	return fd;
}

static void send_one(struct pinger *p)
{
	static const char message[BYTES_MAX];

	p->sent_ns[p->sent++] = now_ns();
	if (send(p->fd, message, p->bytes, MSG_NOSIGNAL) != (ssize_t)p->bytes)
		fail("send");
}

static void receive_some(struct pinger *p)
{
	static char room[BYTES_MAX];
	ssize_t n = recv(p->fd, room, sizeof room, 0);
	uint64_t now = now_ns();

	if (n <= 0)
		fail("recv");
	for (p->got += (uint64_t)n; p->got >= p->bytes && p->came < p->sent; p->got -= p->bytes, p->came++)
		p->trip_ns[p->came] = now - p->sent_ns[p->came];
}

static void run(struct pinger *p)
{
	uint64_t due = now_ns();

	while (p->came < p->count) {
		uint64_t now = now_ns(), wait = (uint64_t)PATIENCE_S * 1000000000u;
		if (p->sent < p->count && now >= due) {
			send_one(p);
			due += p->interval_ns;
			continue;
		}
		if (p->sent < p->count)
			wait = due - now;
		struct timespec limit = {(time_t)(wait / 1000000000u), (long)(wait % 1000000000u)};
		struct pollfd pollfd = {.fd = p->fd, .events = POLLIN};
		int ready = ppoll(&pollfd, 1, &limit, NULL);
		if (ready > 0)
			receive_some(p);
		else if (ready < 0 || p->sent == p->count)
			fail("nothing comes back");
	}
}

int main(int argc, char **argv)
{
	if (argc != 6) {
		fprintf(stderr, "usage: pinger ADDRESS PORT COUNT INTERVAL_US BYTES\n");
		return 2;
	}
	struct pinger p = {.fd = connect_to(argv[1], argv[2]),
	                   .count = strtoull(argv[3], NULL, 10),
	                   .interval_ns = strtoull(argv[4], NULL, 10) * 1000u,
	                   .bytes = strtoull(argv[5], NULL, 10)};
	p.sent_ns = calloc(p.count, sizeof *p.sent_ns);
	p.trip_ns = calloc(p.count, sizeof *p.trip_ns);
	if (!p.sent_ns || !p.trip_ns || p.bytes == 0 || p.bytes > BYTES_MAX)
		fail("arguments");
	run(&p);
	for (uint64_t i = 0; i < p.count; i++)
		printf("%" PRIu64 "\n", p.trip_ns[i]);
	close(p.fd);
	free(p.sent_ns);
	free(p.trip_ns);
	return 0;
}
