#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Not by its name: what has it now may be another one, and root's gift is not for that. */
static int hand_over(const char *path, const struct privileges *owner, bool is_last)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	int err = (is_last ? fchown(fd, owner->uid, owner->gid) : fchmod(fd, 0755)) < 0 ? -errno : 0;
	close(fd);
	return err;
}

static int make_one(const char *path, const struct privileges *owner, bool is_last)
{
	if (mkdir(path, 0700) < 0)
		return errno == EEXIST || errno == EROFS || errno == EACCES ? 0 : -errno;
	return owner && owner->user ? hand_over(path, owner, is_last) : 0;
}

int file_make_folder(const char *path, const struct privileges *owner)
{
	char part[PATH_MAX];
	size_t len = strlen(path);

	if (len >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, path, len + 1);
	for (size_t i = 1; i <= len; i++) {
		if (part[i] != '/' && part[i] != '\0')
			continue;
		char kept = part[i];
		part[i] = '\0';
		int err = make_one(part, owner, kept == '\0');
		if (err)
			return err;
		part[i] = kept;
	}
	struct stat st;
	if (stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int file_open_folder(const char *folder, const char *name)
{
	int fd = -1, at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (at < 0)
		return -errno;
	if (mkdirat(at, name, 0700) == 0 || errno == EEXIST)
		fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int err = fd < 0 ? -errno : fd;
	close(at);
	return err;
}

bool file_is_open_to_others(const char *folder)
{
	struct stat st;

	return stat(folder, &st) == 0 && st.st_mode & (S_IWGRP | S_IWOTH);
}

int file_write_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = write(fd, at, len);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int write_draft(int folder, const char *draft, const void *data, size_t len, bool durably)
{
	unlinkat(folder, draft, 0);
	int fd = openat(folder, draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int err = file_write_all(fd, data, len);
	if (!err && durably && fsync(fd) < 0)
		err = -errno;
	if (close(fd) < 0 && !err)
		err = -errno;
	return err;
}

static int write_file(int folder, const char *name, const void *data, size_t len, bool durably)
{
	char draft[PATH_MAX];

	if (snprintf(draft, sizeof(draft), "%s.%ld.new", name, (long)getpid()) >= (int)sizeof(draft))
		return -ENAMETOOLONG;
	int err = write_draft(folder, draft, data, len, durably);
	if (!err && renameat(folder, draft, folder, name) < 0)
		err = -errno;
	if (err)
		unlinkat(folder, draft, 0);
	return err;
}

int file_write_by_rename(int folder, const char *name, const char *text)
{
	return write_file(folder, name, text, strlen(text), false);
}

int file_write_durably(int folder, const char *name, const void *data, size_t len)
{
	int err = write_file(folder, name, data, len, true);

	return !err && fsync(folder) < 0 ? -errno : err;
}

int file_open_log(const char *path, const struct privileges *owner)
{
	int follow = strncmp(path, "/dev/", 5) == 0 ? 0 : O_NOFOLLOW; /* /dev/stderr is a link, and nobody else's */
	int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | follow;
	/* O_CREAT refuses in a folder like /tmp what is another user's (fs.protected_regular), so it comes second. */
	int fd = open(path, flags);

	if (fd >= 0 || errno != ENOENT)
		return fd < 0 ? -errno : fd;
	fd = open(path, flags | O_CREAT, 0600);
	if (fd >= 0 && fchown(fd, owner->uid, owner->gid) < 0) {
		int err = -errno;
		close(fd);
		return err;
	}
	return fd < 0 ? -errno : fd;
}
