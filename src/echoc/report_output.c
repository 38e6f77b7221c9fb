#include "report_output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "program.h"

int report_output_print(const char *data, size_t len)
{
	return program_write_all(STDOUT_FILENO, data, len);
}

static int write_and_close(int fd, const char *data, size_t len)
{
	int err = program_write_all(fd, data, len);

	if (close(fd) < 0 && !err)
		err = -errno;
	return err;
}

static int write_to(const char *name, const char *data, size_t len)
{
	int fd = open(name, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : write_and_close(fd, data, len);
}

/* The rights that a new file has. */
static mode_t new_mode(void)
{
	mode_t mask = umask(0);

	umask(mask);
	return 0666 & ~mask;
}

static int replace(const char *name, mode_t mode, const char *data, size_t len)
{
	char *beside;

	if (asprintf(&beside, "%s.XXXXXX", name) < 0)
		return -ENOMEM;
	int fd = mkostemp(beside, O_CLOEXEC), err = fd < 0 ? -errno : 0;
	if (fd >= 0) {
		err = fchmod(fd, mode) < 0 ? -errno : 0;
		int written = write_and_close(fd, data, len);
		err = err ? err : written;
		if (!err && rename(beside, name) < 0)
			err = -errno;
		if (err)
			unlink(beside);
	}
	free(beside);
	return err;
}

int report_output_file(const char *name, const char *data, size_t len)
{
	struct stat st;

	if (stat(name, &st) < 0)
		return errno == ENOENT ? replace(name, new_mode(), data, len) : -errno;
	if (!S_ISREG(st.st_mode))
		return write_to(name, data, len);
	char *target = realpath(name, NULL); /* a symbolic link stays one */
	if (!target)
		return -errno;
	int err = replace(target, st.st_mode & 0777, data, len);
	free(target);
	return err;
}
