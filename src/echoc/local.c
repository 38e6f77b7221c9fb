#include "local.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "number.h"
#include "program.h"
#include "text.h"
#include "wire.h"

#define SYSTEM_STATE "/var/lib/echod"
#define READY_MAX    8192    /* a ready line of more than 20 listeners */
#define PID_MOST     4194304 /* PID_MAX_LIMIT (proc(5)) */

static ssize_t read_some(int fd, char *buf, size_t cap)
{
	ssize_t n = read(fd, buf, cap - 1);

	buf[n > 0 ? n : 0] = '\0';
	return n;
}

/* `123.ready` gives 123; anything else 0. */
static pid_t pid_of_name(const char *name)
{
	char digits[16];
	const char *dot = strchr(name, '.');
	uint64_t pid;

	if (!dot || strcmp(dot, ".ready") != 0 || (size_t)(dot - name) >= sizeof(digits))
		return 0;
	memcpy(digits, name, (size_t)(dot - name));
	digits[dot - name] = '\0';
	return number_parse(digits, 1, PID_MOST, &pid) ? 0 : (pid_t)pid;
}

/* A process number is used again: what lives under it must be an echod too. */
static bool is_live(pid_t pid)
{
	char path[32], comm[32] = "";

	if (kill(pid, 0) < 0 && errno != EPERM)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	(void)read_some(fd, comm, sizeof(comm));
	close(fd);
	return strcmp(comm, "echod\n") == 0;
}

/* The first login listener of `ready listen=A,B pid=N`. The line is cut up. */
static bool first_login(char *line, struct local_server *out)
{
	static const char begins[] = "ready listen=";
	const char *why;
	char *save = NULL;

	if (strncmp(line, begins, sizeof(begins) - 1) != 0)
		return false;
	char *list = line + sizeof(begins) - 1;
	char *end = strstr(list, " pid=");
	if (!end)
		return false;
	*end = '\0';
	for (char *one = strtok_r(list, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
		if (address_parse(one, WIRE_PORT, &out->address, &why) || out->address.raw || out->address.tls)
			continue;
		address_format(&out->address, out->address.first, out->text);
		return true;
	}
	return false;
}

/* Reads the file if a trustworthy hand wrote it. */
static bool read_ready(int folder, const char *name, char line[READY_MAX], struct timespec *when)
{
	struct stat st;
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return false;
	bool good = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_uid == geteuid() || st.st_uid == 0) &&
	            read_some(fd, line, READY_MAX) > 0;
	close(fd);
	*when = st.st_mtim;
	return good;
}

static bool is_newer(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

/* Looks through STATE/run; keeps in best what is newer than newest. */
static bool search(const char *state, struct local_server *best, struct timespec *newest)
{
	char path[4096], line[READY_MAX];
	struct local_server found;
	struct timespec when = {0};
	bool any = false;

	snprintf(path, sizeof(path), "%s/run", state);
	DIR *folder = opendir(path);
	if (!folder)
		return false;
	for (struct dirent *entry; (entry = readdir(folder));) {
		found.pid = pid_of_name(entry->d_name);
		if (!found.pid || !is_live(found.pid) || !read_ready(dirfd(folder), entry->d_name, line, &when))
			continue;
		if (!is_newer(&when, newest) || !first_login(line, &found))
			continue;
		*best = found;
		*newest = when;
		any = true;
	}
	closedir(folder);
	return any;
}

bool local_find(struct local_server *out)
{
	struct timespec newest = {0};
	char *state = program_state_dir(NULL);
	bool own = state && search(state, out, &newest);
	bool system = search(SYSTEM_STATE, out, &newest);

	free(state);
	return own || system;
}
