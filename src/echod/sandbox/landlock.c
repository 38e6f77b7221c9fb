#include "landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * The kernel's structure and rights as of ABI 6 (Linux 6.12), which Debian 12's header does not know all of; numbers
 * from include/uapi/linux/landlock.h. An older kernel takes the longer structure where what it does not know is 0.
 */
struct ruleset {
	uint64_t files, network, scoped;
};

#define ABI_MAX 6

static const struct ruleset handled[ABI_MAX + 1] = {
    [1] = {(1 << 13) - 1, 0, 0}, [2] = {(1 << 14) - 1, 0, 0}, /* and moving between folders */
    [3] = {(1 << 15) - 1, 0, 0},                              /* and truncating */
    [4] = {(1 << 15) - 1, 3, 0},                              /* and TCP: bind, connect */
    [5] = {(1 << 16) - 1, 3, 0},                              /* and ioctl on devices */
    [6] = {(1 << 16) - 1, 3, 3},                              /* and abstract unix sockets and signals to others */
};

/* What SQLite does with a database, its log and its shared memory, and what making one takes; folders are synced. */
#define TRUNCATE (1 << 14)
#define OF_FOLDER                                                                                                      \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_DIR |                  \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | TRUNCATE)

static int abi(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return version < 0 ? 0 : version > ABI_MAX ? ABI_MAX : (int)version;
}

static int allow(int ruleset, const struct ruleset *known, const char *folder)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = OF_FOLDER & known->files};
	int err;

	rule.parent_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return -errno;
	err = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0 ? -errno : 0;
	close(rule.parent_fd);
	return err;
}

int landlock_restrict(const char *folder)
{
	const struct ruleset *known = &handled[abi()];
	int err;

	if (!known->files)
		return -EOPNOTSUPP;
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, known, sizeof(*known), 0);
	if (ruleset < 0)
		return -errno;
	err = folder ? allow(ruleset, known, folder) : 0;
	if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		err = -errno;
	if (!err && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		err = -errno;
	close(ruleset);
	return err;
}
