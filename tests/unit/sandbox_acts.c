#include "sandbox_acts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "must.h"

static int failed(long result)
{
	return result < 0 ? errno : 0;
}

static int give_back(int fd)
{
	return fd < 0 ? errno : close(fd) < 0 ? BROKEN : 0;
}

/* ---- acts that nobody may do */

static int run_a_program(struct place *p)
{
	char *argv[] = {(char *)(size_t) "true", NULL};
	(void)p;
	return failed(execv("/bin/true", argv));
}

static int run_an_open_program(struct place *p)
{
	char *none[] = {NULL};
	return failed(syscall(SYS_execveat, p->pair[0], "", none, none, AT_EMPTY_PATH));
}

static int trace_another(struct place *p)
{
	return failed(ptrace(PTRACE_ATTACH, p->sibling, NULL, NULL));
}

static int read_another(struct place *p)
{
	char byte;
	struct iovec here = {&byte, 1}, there = {p, 1};
	return failed(process_vm_readv(p->sibling, &here, 1, &there, 1, 0));
}

static int make_a_packet_socket(struct place *p)
{
	(void)p;
	return failed(socket(AF_PACKET, SOCK_RAW, 0));
}

static int mount_something(struct place *p)
{
	return failed(mount("none", p->folder, "tmpfs", 0, ""));
}

static int become_root(struct place *p)
{
	(void)p;
	return failed(syscall(SYS_setuid, 0));
}

static int leave_the_namespace(struct place *p)
{
	(void)p;
	return failed(syscall(SYS_unshare, 0x10000000)); /* CLONE_NEWUSER */
}

static int make_a_ring(struct place *p)
{
	struct io_uring_params params = {0};
	(void)p;
	return failed(syscall(SYS_io_uring_setup, 4, &params));
}

static int load_a_bpf_program(struct place *p)
{
	(void)p;
	return failed(syscall(SYS_bpf, 0, NULL, 0));
}

static int open_by_handle(struct place *p)
{
	(void)p;
	return failed(syscall(SYS_open_by_handle_at, AT_FDCWD, NULL, 0));
}

static int watch_performance(struct place *p)
{
	(void)p;
	return failed(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
}

/* ---- acts that are refused */

static int signal_another(struct place *p)
{
	return failed(kill(p->sibling, 0));
}

static int signal_another_s_thread(struct place *p)
{
	return failed(syscall(SYS_tgkill, p->sibling, p->sibling, 0));
}

static int make_a_socket(struct place *p)
{
	(void)p;
	return give_back(socket(AF_INET, SOCK_STREAM, 0));
}

static int make_a_unix_pair(struct place *p)
{
	int ends[2];
	(void)p;
	return failed(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
}

struct sockaddr_in sandbox_loopback(int listener)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	socklen_t len = sizeof(addr);

	if (listener >= 0 && getsockname(listener, (struct sockaddr *)&addr, &len) < 0)
		_exit(BROKEN);
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return addr;
}

static int bind_a_socket(struct place *p)
{
	struct sockaddr_in addr = sandbox_loopback(-1);
	return failed(bind(p->tcp, (struct sockaddr *)&addr, sizeof(addr)));
}

static int connect_a_socket(struct place *p)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	return failed(connect(p->tcp, (struct sockaddr *)&addr, sizeof(addr)));
}

static int listen_on_a_socket(struct place *p)
{
	return failed(listen(p->tcp, 1));
}

static int filter_a_socket(struct place *p)
{
	struct sock_filter all = {.code = BPF_RET, .k = 65535};
	struct sock_fprog program = {.len = 1, .filter = &all};
	return failed(setsockopt(p->tcp, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)));
}

static int fork_a_process(struct place *p)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

	(void)p;
	if (pid == 0)
		_exit(0);
	return failed(pid);
}

static void *nothing(void *arg)
{
	return arg;
}

static int start_a_thread(struct place *p)
{
	pthread_t thread;
	(void)p;
	return pthread_create(&thread, NULL, nothing, NULL);
}

static int map_code(struct place *p)
{
	void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	(void)p;
	return code == MAP_FAILED ? errno : 0;
}

static int turn_memory_into_code(struct place *p)
{
	void *data = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)p;
	return data == MAP_FAILED ? BROKEN : failed(mprotect(data, 4096, PROT_READ | PROT_EXEC));
}

static int be_dumpable(struct place *p)
{
	(void)p;
	return failed(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int raise_a_limit(struct place *p)
{
	const struct rlimit core = {0, 0};
	(void)p;
	return failed(setrlimit(RLIMIT_CORE, &core));
}

static int ask_another_s_limit(struct place *p)
{
	struct rlimit files;
	return failed(prlimit(p->sibling, RLIMIT_NOFILE, NULL, &files));
}

static int type_on_a_terminal(struct place *p)
{
	return failed(ioctl(p->pair[0], TIOCSTI, "x"));
}

static int open_passwd(struct place *p)
{
	(void)p;
	return give_back(open("/etc/passwd", O_RDONLY));
}

static int open_a_file_outside(struct place *p)
{
	return give_back(open(p->outside, O_RDWR));
}

static int open_proc(struct place *p)
{
	(void)p;
	return give_back(open("/proc/self/maps", O_RDONLY));
}

static int make_a_file_outside(struct place *p)
{
	char path[sizeof(p->outside) + 8];

	snprintf(path, sizeof(path), "%s.new", p->outside);
	return give_back(open(path, O_RDWR | O_CREAT | O_EXCL, 0600));
}

static int open_the_store(struct place *p)
{
	return give_back(open(p->store, O_RDWR));
}

static int change_its_mode(struct place *p)
{
	return failed(chmod(p->store, 0666));
}

static int make_a_folder(struct place *p)
{
	return failed(mkdir(p->made, 0700));
}

static int make_a_link(struct place *p)
{
	return failed(symlink("/etc/passwd", p->made));
}

static int make_a_second_name(struct place *p)
{
	return failed(link(p->store, p->made));
}

static int rename_the_store(struct place *p)
{
	return failed(rename(p->store, p->made));
}

static int make_memory_with_a_name(struct place *p)
{
	(void)p;
	return give_back(memfd_create("x", 0));
}

/* ---- acts that are needed */

static int echo(struct place *p)
{
	char byte = 'x';
	int on = 1;

	if (send(p->pair[0], &byte, 1, 0) != 1 || recv(p->pair[1], &byte, 1, 0) != 1 || byte != 'x')
		return errno ? errno : BROKEN;
	if (ioctl(p->pair[1], FIONREAD, &on) < 0 || setsockopt(p->tcp, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		return errno;
	return failed(shutdown(p->pair[0], SHUT_WR));
}

static int accept_one(struct place *p)
{
	struct epoll_event event;

	return epoll_wait(p->wake[0], &event, 1, 5000) != 1 ? BROKEN
	                                                    : give_back(accept4(p->listener, NULL, NULL, SOCK_CLOEXEC));
}

static int take_and_give_memory(struct place *p)
{
	char *some = malloc(32 << 20);

	(void)p;
	if (!some)
		return ENOMEM;
	memset(some, 1, 32 << 20);
	char *less = realloc(some, 1 << 20);
	free(less ? less : some);
	return less ? 0 : ENOMEM;
}

static int write_the_store(struct place *p)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
	int fd = open(p->store, O_RDWR | O_CLOEXEC);

	if (fd < 0 || fcntl(fd, F_SETLK, &lock) < 0 || ftruncate(fd, 4096) < 0 || pwrite(fd, "x", 1, 0) != 1 ||
	    fsync(fd) < 0)
		return errno;
	char *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED)
		return errno;
	shared[1] = 'y';
	munmap(shared, 4096);
	return give_back(fd);
}

static int make_and_remove_a_log(struct place *p)
{
	int fd = open(p->made, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || fchmod(fd, 0600) < 0 || close(fd) < 0)
		return errno;
	return failed(unlink(p->made));
}

static int sync_the_folder(struct place *p)
{
	int fd = open(p->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? errno : give_back(fd);
}

#define DEED(act, front, keeper)                                                                                       \
	{                                                                                                              \
#act, act, front, keeper                                                                               \
	}

const struct deed sandbox_acts[] = {
    DEED(run_a_program, KILLED, KILLED),
    DEED(run_an_open_program, KILLED, KILLED),
    DEED(trace_another, KILLED, KILLED),
    DEED(read_another, KILLED, KILLED),
    DEED(make_a_packet_socket, KILLED, KILLED),
    DEED(mount_something, KILLED, KILLED),
    DEED(become_root, KILLED, KILLED),
    DEED(leave_the_namespace, KILLED, KILLED),
    DEED(make_a_ring, KILLED, KILLED),
    DEED(load_a_bpf_program, KILLED, KILLED),
    DEED(open_by_handle, KILLED, KILLED),
    DEED(watch_performance, KILLED, KILLED),

    DEED(signal_another, REFUSED, REFUSED),
    DEED(signal_another_s_thread, REFUSED, REFUSED),
    DEED(make_a_socket, REFUSED, REFUSED),
    DEED(make_a_unix_pair, REFUSED, REFUSED),
    DEED(bind_a_socket, REFUSED, REFUSED),
    DEED(connect_a_socket, REFUSED, REFUSED),
    DEED(listen_on_a_socket, REFUSED, REFUSED),
    DEED(filter_a_socket, REFUSED, REFUSED),
    DEED(fork_a_process, REFUSED, REFUSED),
    DEED(start_a_thread, REFUSED, REFUSED),
    DEED(map_code, REFUSED, REFUSED),
    DEED(turn_memory_into_code, REFUSED, REFUSED),
    DEED(be_dumpable, REFUSED, REFUSED),
    DEED(raise_a_limit, REFUSED, REFUSED),
    DEED(ask_another_s_limit, REFUSED, REFUSED),
    DEED(type_on_a_terminal, REFUSED, REFUSED),
    DEED(open_passwd, REFUSED, REFUSED),
    DEED(open_a_file_outside, REFUSED, REFUSED),
    DEED(make_a_file_outside, REFUSED, REFUSED),
    DEED(open_proc, REFUSED, REFUSED),
    DEED(change_its_mode, REFUSED, REFUSED),
    DEED(make_a_folder, REFUSED, REFUSED),
    DEED(make_a_link, REFUSED, REFUSED),
    DEED(make_a_second_name, REFUSED, REFUSED),
    DEED(rename_the_store, REFUSED, REFUSED),
    DEED(make_memory_with_a_name, REFUSED, REFUSED),
    DEED(accept_one, WORKS, REFUSED),
    DEED(open_the_store, REFUSED, WORKS),
    DEED(write_the_store, REFUSED, WORKS),
    DEED(make_and_remove_a_log, REFUSED, WORKS),
    DEED(sync_the_folder, REFUSED, WORKS),

    DEED(echo, WORKS, REFUSED),
    DEED(take_and_give_memory, WORKS, WORKS),
};

const size_t sandbox_acts_count = array_size(sandbox_acts);

const struct deed *sandbox_act(const char *name)
{
	for (size_t i = 0; i < sandbox_acts_count; i++) {
		if (strcmp(sandbox_acts[i].name, name) == 0)
			return &sandbox_acts[i];
	}
	abort();
}
