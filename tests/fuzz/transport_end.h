/* What transport.c and transport_socket.c share: descriptors, and the calls behind --wrap. */
#ifndef FUZZ_TRANSPORT_END_H
#define FUZZ_TRANSPORT_END_H

#include <pthread.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "transport.h"

#define TRANSPORT_WAITING_MAX 8

/* What a descriptor of ours stands for. */
struct end {
	enum transport_kind kind;
	struct wire *wire;                           /* of a socket */
	struct wire *waiting[TRANSPORT_WAITING_MAX]; /* at a listener */
	unsigned waiting_count;
	/* of whoever watches it */
	int epoll;
	uint32_t events;
	void *source;
	bool edge;
};

/* NULL: none of ours. One of ours is open. */
struct end *transport_end_of(int fd);
/* Whether the call is to fail; errno says how. */
bool transport_fails(enum transport_call);
uint32_t transport_socket_events(const struct wire *);
void transport_close_wire(struct wire *);

int __real_close(int);
int __real_fcntl64(int, int, ...);
int __real_getsockname(int, struct sockaddr *, socklen_t *);
int __real_getsockopt(int, int, int, void *, socklen_t *);
int __real_ioctl(int, unsigned long, ...);
int __real_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
ssize_t __real_read(int, void *, size_t);
ssize_t __real_recv(int, void *, size_t, int);
ssize_t __real_send(int, const void *, size_t, int);
int __real_setsockopt(int, int, int, const void *, socklen_t);
int __real_shutdown(int, int);
ssize_t __real_write(int, const void *, size_t);

int __wrap_accept4(int, struct sockaddr *, socklen_t *, int);
uint64_t __wrap_clock_coarse_ms(void);
int __wrap_close(int);
int __wrap_epoll_create1(int);
int __wrap_epoll_ctl(int, int, int, struct epoll_event *);
int __wrap_epoll_wait(int, struct epoll_event *, int, int);
int __wrap_fcntl64(int, int, ...);
int __wrap_getsockname(int, struct sockaddr *, socklen_t *);
int __wrap_getsockopt(int, int, int, void *, socklen_t *);
int __wrap_ioctl(int, unsigned long, ...);
int __wrap_pipe2(int[2], int);
int __wrap_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
ssize_t __wrap_read(int, void *, size_t);
ssize_t __wrap_recv(int, void *, size_t, int);
ssize_t __wrap_send(int, const void *, size_t, int);
int __wrap_setsockopt(int, int, int, const void *, socklen_t);
int __wrap_shutdown(int, int);
ssize_t __wrap_write(int, const void *, size_t);

#endif
