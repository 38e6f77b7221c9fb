#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "program.h"

#define FOLDER_MODE 0700
#define FILE_MODE   0600

/* Makes the folders above path. What goes wrong shows when the last one is opened. */
static void make_parents(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(path, FOLDER_MODE);
		*slash = '/';
	}
}

/* Whether what is open belongs to this user; takes from all others what they may do with it. */
static int make_own(int fd, mode_t type, mode_t mode)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_mode & S_IFMT) != type || st.st_uid != geteuid())
		return -EPERM;
	if ((st.st_mode & 077) && fchmod(fd, mode) < 0)
		return -errno;
	return 0;
}

static int open_checked(int parent, const char *name, int flags, mode_t type, mode_t mode)
{
	int fd = openat(parent, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, mode);

	if (fd < 0)
		return -errno;
	int err = make_own(fd, type, mode);
	if (!err)
		return fd;
	close(fd);
	return err;
}

int state_open_folder(int parent, const char *name, bool makes)
{
	if (makes && mkdirat(parent, name, FOLDER_MODE) < 0 && errno != EEXIST)
		return -errno;
	return open_checked(parent, name, O_RDONLY | O_DIRECTORY, S_IFDIR, FOLDER_MODE);
}

int state_open(bool makes, char **path)
{
	*path = program_user_state_dir("echoc");
	if (!*path)
		return -errno;
	if (makes)
		make_parents(*path);
	return state_open_folder(AT_FDCWD, *path, makes);
}

int state_open_file(int folder, const char *name, int flags)
{
	return open_checked(folder, name, flags, S_IFREG, FILE_MODE);
}

long state_read(int fd, char *buf, size_t cap)
{
	size_t len = 0;
	char more;

	while (len < cap) {
		ssize_t n = pread(fd, buf + len, cap - len, (off_t)len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return (long)len;
		len += (size_t)n;
	}
	return pread(fd, &more, 1, (off_t)len) > 0 ? -EFBIG : (long)len;
}
