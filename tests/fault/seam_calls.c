/*
 * The calls that the programs' own code makes, by way of the linker's --wrap: each asks the seam first. A call's kind
 * is its name without the 64; what needs more than its name to be told apart says so.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "seam.h"

void __lsan_do_leak_check(void) __attribute__((weak));

/* A call that fails with -1 or, for pointers, with what failing gives. */
#define WRAP(type, failing, kind, name, params, ...)                                                                   \
	type __real_##name params;                                                                                     \
	type __wrap_##name params;                                                                                     \
	type __wrap_##name params                                                                                      \
	{                                                                                                              \
		return seam_fails(kind) ? (failing) : __real_##name(__VA_ARGS__);                                      \
	}

/* ---- memory */

WRAP(void *, NULL, "alloc", malloc, (size_t size), size)
WRAP(void *, NULL, "alloc", aligned_alloc, (size_t alignment, size_t size), alignment, size)
WRAP(void *, NULL, "alloc", calloc, (size_t count, size_t size), count, size)
WRAP(void *, NULL, "alloc", realloc, (void *old, size_t size), old, size)
WRAP(void *, NULL, "alloc", reallocarray, (void *old, size_t count, size_t size), old, count, size)
WRAP(char *, NULL, "alloc", strdup, (const char *text), text)
WRAP(char *, NULL, "alloc", strndup, (const char *text, size_t len), text, len)
WRAP(FILE *, NULL, "alloc", open_memstream, (char **text, size_t *len), text, len)

int __wrap_asprintf(char **out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int __wrap_asprintf(char **out, const char *fmt, ...)
{
	va_list args;

	if (seam_fails("alloc"))
		return -1;
	va_start(args, fmt);
	int n = vasprintf(out, fmt, args);
	va_end(args);
	return n;
}

/* ---- descriptors */

WRAP(int, -1, "socket", socket, (int family, int type, int protocol), family, type, protocol)
WRAP(int, -1, "socketpair", socketpair, (int family, int type, int protocol, int ends[2]), family, type, protocol, ends)
WRAP(int, -1, "bind", bind, (int fd, const struct sockaddr *addr, socklen_t len), fd, addr, len)
WRAP(int, -1, "listen", listen, (int fd, int backlog), fd, backlog)
WRAP(int, -1, "shutdown", shutdown, (int fd, int how), fd, how)
WRAP(int, -1, "getsockname", getsockname, (int fd, struct sockaddr *addr, socklen_t *len), fd, addr, len)
WRAP(int, -1, "getpeername", getpeername, (int fd, struct sockaddr *addr, socklen_t *len), fd, addr, len)
WRAP(int, -1, "getsockopt", getsockopt, (int fd, int level, int name, void *value, socklen_t *len), fd, level, name,
     value, len)
WRAP(int, -1, "setsockopt", setsockopt, (int fd, int level, int name, const void *value, socklen_t len), fd, level,
     name, value, len)
WRAP(int, -1, "epoll_create1", epoll_create1, (int flags), flags)
WRAP(int, -1, "eventfd", eventfd, (unsigned first, int flags), first, flags)
WRAP(int, -1, "signalfd", signalfd, (int fd, const sigset_t *set, int flags), fd, set, flags)
WRAP(int, -1, "pipe2", pipe2, (int ends[2], int flags), ends, flags)
WRAP(int, -1, "memfd_create", memfd_create, (const char *name, unsigned flags), name, flags)
WRAP(int, -1, "ftruncate", ftruncate64, (int fd, off_t size), fd, size)
WRAP(int, -1, "mkostemp", mkostemp64, (char *name, int flags), name, flags)
WRAP(int, -1, "link", link, (const char *from, const char *to), from, to)
WRAP(int, -1, "mkdir", mkdir, (const char *path, mode_t mode), path, mode)
WRAP(int, -1, "mkdirat", mkdirat, (int fd, const char *path, mode_t mode), fd, path, mode)
WRAP(int, -1, "renameat", renameat, (int from_fd, const char *from, int to_fd, const char *to), from_fd, from, to_fd,
     to)
WRAP(int, -1, "gethostname", gethostname, (char *name, size_t cap), name, cap)
WRAP(int, -1, "getrlimit", getrlimit64, (int what, void *limit), what, limit)
WRAP(void *, MAP_FAILED, "mmap", mmap64, (void *at, size_t len, int prot, int flags, int fd, off_t offset), at, len,
     prot, flags, fd, offset)

/* What follows the command is an int or a pointer: a long holds both. */
#define WRAP_VARIADIC(name, kind, first_type, first, second_type, second)                                              \
	int __real_##name(first_type first, second_type second, ...);                                                  \
	int __wrap_##name(first_type first, second_type second, ...);                                                  \
	int __wrap_##name(first_type first, second_type second, ...)                                                   \
	{                                                                                                              \
		va_list args;                                                                                          \
		va_start(args, second);                                                                                \
		long third = va_arg(args, long);                                                                       \
		va_end(args);                                                                                          \
		return seam_fails(kind) ? -1 : __real_##name(first, second, third);                                    \
	}

WRAP_VARIADIC(open64, "open", const char *, path, int, flags)
WRAP_VARIADIC(fcntl64, command == F_DUPFD_CLOEXEC ? "fcntl" : "fcntl_other", int, fd, int, command)
WRAP_VARIADIC(ioctl, "ioctl", int, fd, unsigned long, command)

int __real_openat64(int folder, const char *path, int flags, ...);
int __wrap_openat64(int folder, const char *path, int flags, ...);
int __wrap_openat64(int folder, const char *path, int flags, ...)
{
	va_list args;

	va_start(args, flags);
	long mode = va_arg(args, long);
	va_end(args);
	return seam_fails("openat") ? -1 : __real_openat64(folder, path, flags, mode);
}

/* Adding a descriptor is what takes memory; changing and removing one cannot fail. */
int __real_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
	return what == EPOLL_CTL_ADD && seam_fails("epoll_ctl") ? -1 : __real_epoll_ctl(epoll, what, fd, event);
}

/* The descriptor is gone, whatever close(2) says. */
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
	int result = __real_close(fd);

	return seam_fails("close") ? -1 : result;
}

/* ---- bytes */

static ssize_t fail_with(int err)
{
	errno = err;
	return -1;
}

static bool is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* Records on pipes, eventfds and seqpackets come whole from the kernel; only the client's own pipes are streams. */
static bool may_shorten(int fd)
{
	return is_file(fd) || strcmp(program_invocation_short_name, "echoc") == 0;
}

#define WRAP_BYTES(name, kind, data_type, extra, extra_arg, can_wait, can_shorten)                                     \
	ssize_t __real_##name(int fd, data_type data, size_t len extra);                                               \
	ssize_t __wrap_##name(int fd, data_type data, size_t len extra);                                               \
	ssize_t __wrap_##name(int fd, data_type data, size_t len extra)                                                \
	{                                                                                                              \
		if (seam_fails(kind))                                                                                  \
			return -1;                                                                                     \
		switch (seam_whim()) {                                                                                 \
		case WHIM_NONE: break;                                                                                 \
		case WHIM_INTERRUPT: return fail_with(EINTR);                                                          \
		case WHIM_AGAIN:                                                                                       \
			if (can_wait)                                                                                  \
				return fail_with(EAGAIN);                                                              \
			break;                                                                                         \
		case WHIM_SHORT:                                                                                       \
			if (can_shorten)                                                                               \
				len = seam_shorten(len);                                                               \
			break;                                                                                         \
		}                                                                                                      \
		return __real_##name(fd, data, len extra_arg);                                                         \
	}

#define FLAGS     , int flags
#define FLAGS_ARG , flags
WRAP_BYTES(recv, "recv", void *, FLAGS, FLAGS_ARG, flags &MSG_DONTWAIT, true)
WRAP_BYTES(send, "send", const void *, FLAGS, FLAGS_ARG, flags &MSG_DONTWAIT, true)
WRAP_BYTES(read, is_file(fd) ? "read_file" : "read", void *, , , false, may_shorten(fd))

/* An eventfd that is not full takes what is written: an interrupted write is one that has waited. */
static bool has_whim_to_interrupt(int fd)
{
	return may_shorten(fd) && seam_whim() == WHIM_INTERRUPT;
}

ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len)
{
	if (seam_fails(is_file(fd) ? "write_file" : "write"))
		return -1;
	if (has_whim_to_interrupt(fd))
		return fail_with(EINTR);
	if (may_shorten(fd) && seam_whim() == WHIM_SHORT)
		len = seam_shorten(len);
	return __real_write(fd, data, len);
}

#define WRAP_MESSAGE(name, message_type)                                                                               \
	ssize_t __real_##name(int fd, message_type message, int flags);                                                \
	ssize_t __wrap_##name(int fd, message_type message, int flags);                                                \
	ssize_t __wrap_##name(int fd, message_type message, int flags)                                                 \
	{                                                                                                              \
		if (seam_fails(#name))                                                                                 \
			return -1;                                                                                     \
		enum seam_whim whim = seam_whim();                                                                     \
		if (whim == WHIM_INTERRUPT)                                                                            \
			return fail_with(EINTR);                                                                       \
		if (whim == WHIM_AGAIN && (flags & MSG_DONTWAIT))                                                      \
			return fail_with(EAGAIN);                                                                      \
		return __real_##name(fd, message, flags);                                                              \
	}

WRAP_MESSAGE(sendmsg, const struct msghdr *)
WRAP_MESSAGE(recvmsg, struct msghdr *)

/* ---- waiting: may fail, and be interrupted at random */

#define WRAP_WAIT(name, params, ...)                                                                                   \
	int __real_##name params;                                                                                      \
	int __wrap_##name params;                                                                                      \
	int __wrap_##name params                                                                                       \
	{                                                                                                              \
		if (seam_fails(#name))                                                                                 \
			return -1;                                                                                     \
		if (seam_whim() == WHIM_INTERRUPT)                                                                     \
			return (int)fail_with(EINTR);                                                                  \
		return __real_##name(__VA_ARGS__);                                                                     \
	}

WRAP_WAIT(accept4, (int fd, struct sockaddr *addr, socklen_t *len, int flags), fd, addr, len, flags)
WRAP_WAIT(epoll_wait, (int epoll, struct epoll_event *events, int most, int wait_ms), epoll, events, most, wait_ms)
WRAP_WAIT(poll, (struct pollfd * fds, nfds_t count, int wait_ms), fds, count, wait_ms)
WRAP_WAIT(ppoll, (struct pollfd * fds, nfds_t count, const struct timespec *wait, const sigset_t *mask), fds, count,
          wait, mask)

/* A connect that is interrupted goes on by itself, so at random it is let alone. */
WRAP(int, -1, "connect", connect, (int fd, const struct sockaddr *addr, socklen_t len), fd, addr, len)

/* ---- threads and processes: these return the error */

WRAP(int, errno, "pthread_create", pthread_create,
     (pthread_t * thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg), thread, attr, run, arg)
WRAP(int, errno, "posix_spawn", posix_spawn,
     (pid_t * pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
      char *const argv[], char *const env[]),
     pid, path, actions, attr, argv, env)

struct addrinfo;
#define EAI_NO_MEMORY (-10)
WRAP(int, EAI_NO_MEMORY, "getaddrinfo", getaddrinfo,
     (const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **found), host, service,
     hints, found)

/* The children leave by _exit, which no leak checker sees by itself. */
_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);
_Noreturn void __wrap__exit(int status)
{
	if (__lsan_do_leak_check)
		__lsan_do_leak_check();
	__real__exit(status);
}
