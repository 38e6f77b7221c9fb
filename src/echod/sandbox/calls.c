#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const of_both[] = {
    /* descriptors that it has: sockets, the log, words with the others */
    "read", "readv", "write", "writev", "recvfrom", "recvmsg", "sendto", "sendmsg", "shutdown", "close", "lseek",
    "_llseek", "pread64", "fstat",
    /* waiting, time, chance */
    "epoll_wait", "epoll_pwait", "epoll_pwait2", "epoll_ctl", "poll", "ppoll", "nanosleep", "clock_nanosleep",
    "clock_gettime", "clock_getres", "gettimeofday", "time", "getrandom",
    /* threads; one that was started just now may still be at set_robust_list and rseq */
    "futex", "futex_time64", "sched_yield", "sched_getaffinity", "set_robust_list", "rseq", "rt_sigaction",
    "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall", "exit", "exit_group",
    /* memory */
    "brk", "mremap", "munmap", "madvise",
    /* who and where it is */
    "getpid", "gettid", "getuid", "geteuid", "getgid", "getegid", "sysinfo"};

/* No socket, bind, connect or open is here: its connections come by accept and from the parent. */
static const char *const of_front[] = {"accept4", "getpeername", "getsockname", "getsockopt"};

static const char *const of_keeper[] = {
    /* SQLite's: its file, the log and the shared memory beside it. Landlock says where */
    "open", "openat", "access", "faccessat", "faccessat2", "stat", "lstat", "fstat64", "newfstatat", "fstatat64",
    "fstatfs", "readlink", "readlinkat", "pwrite64", "ftruncate", "ftruncate64", "fsync", "fdatasync", "fchmod",
    "fchown", "unlink", "unlinkat",
    /* hashing */
    "mlock", "munlock"};

/* What none of ours ever does, so that one that does is not ours any more. The log says that SIGSYS ended it. */
static const char *const of_nobody[] = {
    /* other programs, and other processes */
    "execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise",
    "pidfd_open", "pidfd_getfd", "kcmp",
    /* other rights */
    "setuid", "setuid32", "setgid", "setgid32", "setreuid", "setregid", "setresuid", "setresuid32", "setresgid",
    "setresgid32", "setgroups", "setgroups32", "setfsuid", "setfsgid", "capset", "unshare", "setns", "chroot",
    "pivot_root", "keyctl", "add_key", "request_key",
    /* the kernel's wide interfaces */
    "bpf", "io_uring_setup", "io_uring_enter", "io_uring_register", "perf_event_open", "userfaultfd",
    "open_by_handle_at", "name_to_handle_at", "init_module", "finit_module", "delete_module", "kexec_load",
    "kexec_file_load", "iopl", "ioperm", "modify_ldt",
    /* the machine */
    "mount", "umount", "umount2", "move_mount", "mount_setattr", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick",
    "swapon", "swapoff", "reboot", "acct", "syslog", "quotactl", "sethostname", "setdomainname", "settimeofday",
    "clock_settime", "clock_adjtime", "adjtimex"};

struct option {
	int level, name;
};

/* What may be set on a connection. A filter program, another protocol or a raw mode is not among it. */
static const struct option socket_options[] = {
    {SOL_SOCKET, SO_LINGER},         {SOL_SOCKET, SO_KEEPALIVE},  {SOL_SOCKET, SO_OOBINLINE},
    {SOL_SOCKET, SO_RCVLOWAT},       {SOL_SOCKET, SO_RCVBUF},     {SOL_SOCKET, SO_SNDBUF},
    {IPPROTO_TCP, TCP_NODELAY},      {IPPROTO_TCP, TCP_KEEPIDLE}, {IPPROTO_TCP, TCP_KEEPINTVL},
    {IPPROTO_TCP, TCP_KEEPCNT},      {IPPROTO_TCP, TCP_QUICKACK}, {IPPROTO_TCP, TCP_NOTSENT_LOWAT},
    {IPPROTO_TCP, TCP_WINDOW_CLAMP}, {IPPROTO_TCP, TCP_CORK},     {IPPROTO_TCP, TCP_USER_TIMEOUT},
};

static const unsigned long ioctls[] = {FIONREAD, SIOCOUTQ, SIOCOUTQNSD};

static const int descriptor_commands[] = {F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL};

/* POSIX's locks, with which SQLite keeps others out. */
static const int lock_commands[] = {F_GETLK, F_SETLK, F_SETLKW};

/* The names of these are ones that not every architecture, or this libseccomp, knows. */
static int add_names(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int call = seccomp_syscall_resolve_name(names[i]);
		int err = call == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(filter, action, call, 0);
		if (err)
			return err;
	}
	return 0;
}

/* No memory that can be executed, so no code but what is there. */
static int add_memory(scmp_filter_ctx filter)
{
	static const char *const names[] = {"mmap", "mmap2", "mprotect"};
	const struct scmp_arg_cmp no_code = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);

	for (size_t i = 0; i < array_size(names); i++) {
		int err =
		    seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, seccomp_syscall_resolve_name(names[i]), 1, &no_code);
		if (err)
			return err;
	}
	return 0;
}

/* Signals to itself alone: abort(3) sends one. */
static int add_signals(scmp_filter_ctx filter)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
	                        SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
}

/* Its own limits may be asked, and nobody's changed. */
static int add_limits(scmp_filter_ctx filter)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, SCMP_A0(SCMP_CMP_EQ, 0),
	                        SCMP_A2(SCMP_CMP_EQ, 0));
}

static int add_fcntl(scmp_filter_ctx filter, const int *commands, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct scmp_arg_cmp is_command = SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)commands[i]);
		int err = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, &is_command);
		if (!err)
			err = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl64), 1, &is_command);
		if (err)
			return err;
	}
	return 0;
}

static int add_sockets(scmp_filter_ctx filter)
{
	int err = 0;

	for (size_t i = 0; i < array_size(socket_options) && !err; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2,
		                       SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)socket_options[i].level),
		                       SCMP_A2(SCMP_CMP_EQ, (scmp_datum_t)socket_options[i].name));
	for (size_t i = 0; i < array_size(ioctls) && !err; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_EQ, ioctls[i]));
	return err;
}

/* A packet socket would read what others say. Every other new socket is refused like all that is not on a list. */
static int add_forbidden(scmp_filter_ctx filter)
{
	int err = add_names(filter, SCMP_ACT_KILL_PROCESS, of_nobody, array_size(of_nobody));

	return err ? err
	           : seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(socket), 1,
	                              SCMP_A0(SCMP_CMP_EQ, AF_PACKET));
}

static int add_role(scmp_filter_ctx filter, enum sandbox_role role)
{
	int err = 0;

	switch (role) {
	case SANDBOX_FRONT:
		err = add_names(filter, SCMP_ACT_ALLOW, of_front, array_size(of_front));
		return err ? err : add_sockets(filter);
	case SANDBOX_KEEPER:
		err = add_names(filter, SCMP_ACT_ALLOW, of_keeper, array_size(of_keeper));
		return err ? err : add_fcntl(filter, lock_commands, array_size(lock_commands));
	}
	return err;
}

static int add_all(scmp_filter_ctx filter, enum sandbox_role role)
{
	int err = add_names(filter, SCMP_ACT_ALLOW, of_both, array_size(of_both));

	if (!err)
		err = add_memory(filter);
	if (!err)
		err = add_signals(filter);
	if (!err)
		err = add_limits(filter);
	if (!err)
		err = add_fcntl(filter, descriptor_commands, array_size(descriptor_commands));
	if (!err)
		err = add_role(filter, role);
	return err ? err : add_forbidden(filter);
}

static int set_attributes(scmp_filter_ctx filter)
{
	int err = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	if (!err)
		err = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, not a list */
	return err ? err : seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
}

int calls_restrict(enum sandbox_role role)
{
	if (seccomp_api_get() < 3) /* 3: KILL_PROCESS, Linux 4.14 */
		return -EOPNOTSUPP;
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!filter)
		return -ENOMEM;
	int err = set_attributes(filter);
	if (!err)
		err = add_all(filter, role);
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}
