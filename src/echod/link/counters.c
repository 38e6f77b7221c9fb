#include "counters.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

const char *counters_reason_name(enum close_reason reason)
{
#define X(id, name) [CLOSE_##id] = name,
	static const char *const names[] = {CLOSE_REASONS(X)};
#undef X

	return names[reason];
}

int counters_map(struct counters **out, int fd)
{
	void *memory = mmap(NULL, sizeof(struct counters), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		return -errno;
	*out = memory;
	return 0;
}

int counters_create(struct counters **out, int *fd)
{
	*fd = memfd_create("echod-counters", MFD_CLOEXEC);
	if (*fd < 0)
		return -errno;
	int err = ftruncate(*fd, sizeof(struct counters)) < 0 ? -errno : counters_map(out, *fd);
	if (err)
		close(*fd);
	return err;
}
