/*
 * The coverage build alone is linked with this: gcc's counters are written at a process's end, and the servers end by
 * _exit, which leaves that out. What is the program's own symbol comes before the C library's.
 */
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void __gcov_dump(void);

/*
 * The counters' files want a descriptor, and a test may have left none; none of ours is used any more. And who is not
 * root adds to what root has written.
 */
__attribute__((destructor)) static void make_room(void)
{
	int fd = dup(STDERR_FILENO);

	(void)umask(0);
	if (fd < 0)
		(void)close_range(STDERR_FILENO + 1, ~0U, 0);
	else
		(void)close(fd);
}

_Noreturn void _exit(int status)
{
	make_room();
	__gcov_dump();
	for (;;)
		(void)syscall(SYS_exit_group, status);
}
