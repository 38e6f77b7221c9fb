/*
 * What the libraries under the accounts do: SQLite's memory and system calls through its own hooks, its syncs by being
 * the program's symbol, libsodium's memory by being linked in, libunistring's want of memory at its door.
 */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "seam.h"

static sqlite3_mem_methods plain;
static bool in_place; /* before, SQLite sets itself up for us */

static void *seam_malloc(int size)
{
	return in_place && seam_fails("sqlite_alloc") ? NULL : plain.xMalloc(size);
}

static void *seam_realloc(void *old, int size)
{
	return in_place && seam_fails("sqlite_alloc") ? NULL : plain.xRealloc(old, size);
}

typedef int open_call(const char *, int, ...);
typedef ssize_t read_call(int, void *, size_t, off_t);
typedef ssize_t write_call(int, const void *, size_t, off_t);
typedef int truncate_call(int, off_t);
typedef int fcntl_call(int, int, ...);
typedef void *mmap_call(void *, size_t, int, int, int, off_t);

static open_call *plain_open;
static read_call *plain_pread;
static write_call *plain_pwrite;
static truncate_call *plain_truncate;
static fcntl_call *plain_fcntl;
static mmap_call *plain_mmap;

static int seam_open(const char *path, int flags, ...)
{
	va_list args;

	va_start(args, flags);
	int mode = va_arg(args, int);
	va_end(args);
	return seam_fails("sqlite_open") ? -1 : plain_open(path, flags, mode);
}

static ssize_t seam_pread(int fd, void *data, size_t len, off_t at)
{
	return seam_fails("sqlite_read") ? -1 : plain_pread(fd, data, len, at);
}

static ssize_t seam_pwrite(int fd, const void *data, size_t len, off_t at)
{
	return seam_fails("sqlite_write") ? -1 : plain_pwrite(fd, data, len, at);
}

static int seam_truncate(int fd, off_t size)
{
	return seam_fails("sqlite_truncate") ? -1 : plain_truncate(fd, size);
}

/*
 * Giving a lock back cannot fail: fcntl(2) has errors of acquiring one, and SQLite gives back the ranges that it took.
 * It does not look whether that went well, either: the lock would stay with its process.
 */
static bool is_giving_back(int command, const void *arg)
{
	return command == F_SETLK && ((const struct flock *)arg)->l_type == F_UNLCK;
}

static int seam_fcntl(int fd, int command, ...)
{
	va_list args;

	va_start(args, command);
	void *arg = va_arg(args, void *);
	va_end(args);
	if (!is_giving_back(command, arg) && seam_fails("sqlite_fcntl"))
		return -1;
	return plain_fcntl(fd, command, arg);
}

static void *seam_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	return seam_fails("sqlite_mmap") ? MAP_FAILED : plain_mmap(at, len, prot, flags, fd, offset);
}

/* Puts ours into SQLite's table in the place of what is there, and returns that. */
static sqlite3_syscall_ptr replace(sqlite3_vfs *vfs, const char *name, sqlite3_syscall_ptr ours)
{
	sqlite3_syscall_ptr was = vfs->xGetSystemCall(vfs, name);

	if (was)
		(void)vfs->xSetSystemCall(vfs, name, ours);
	return was;
}

__attribute__((constructor(102))) static void replace_calls(void)
{
	sqlite3_mem_methods ours;

	sqlite3_config(SQLITE_CONFIG_GETMALLOC, &plain);
	ours = plain;
	ours.xMalloc = seam_malloc;
	ours.xRealloc = seam_realloc;
	sqlite3_config(SQLITE_CONFIG_MALLOC, &ours);
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
	plain_open = (open_call *)replace(vfs, "open", (sqlite3_syscall_ptr)seam_open);
	plain_pread = (read_call *)replace(vfs, "pread64", (sqlite3_syscall_ptr)seam_pread);
	if (!plain_pread)
		plain_pread = (read_call *)replace(vfs, "pread", (sqlite3_syscall_ptr)seam_pread);
	plain_pwrite = (write_call *)replace(vfs, "pwrite64", (sqlite3_syscall_ptr)seam_pwrite);
	if (!plain_pwrite)
		plain_pwrite = (write_call *)replace(vfs, "pwrite", (sqlite3_syscall_ptr)seam_pwrite);
	plain_truncate = (truncate_call *)replace(vfs, "ftruncate", (sqlite3_syscall_ptr)seam_truncate);
	plain_fcntl = (fcntl_call *)replace(vfs, "fcntl", (sqlite3_syscall_ptr)seam_fcntl);
	plain_mmap = (mmap_call *)replace(vfs, "mmap", (sqlite3_syscall_ptr)seam_mmap);
	in_place = true;
}

/* SQLite calls these by name; the program's symbol comes before the C library's. */
int fsync(int fd)
{
	return seam_fails("fsync") ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return seam_fails("fsync") ? -1 : (int)syscall(SYS_fdatasync, fd);
}

/* Its small things come from malloc, as the program's own do; Argon2's memory comes from here. */
void *__real_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	return seam_fails("sodium_mmap") ? MAP_FAILED : __real_mmap(at, len, prot, flags, fd, offset);
}

uint8_t *__real_u8_normalize(const void *form, const uint8_t *text, size_t len, uint8_t *out, size_t *out_len);
uint8_t *__wrap_u8_normalize(const void *form, const uint8_t *text, size_t len, uint8_t *out, size_t *out_len);
uint8_t *__wrap_u8_normalize(const void *form, const uint8_t *text, size_t len, uint8_t *out, size_t *out_len)
{
	return seam_fails("alloc") ? NULL : __real_u8_normalize(form, text, len, out, out_len);
}
