#include "store_modes.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "words.h"

static bool others_may(const char *path, mode_t what, mode_t *mode)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return false;
	*mode = st.st_mode & 07777;
	return st.st_mode & what;
}

enum store_modes store_modes_of(char *path, char why[STORE_WHY_MAX])
{
	mode_t mode = 0;
	char *name = strrchr(path, '/');

	if (others_may(path, S_IWGRP | S_IWOTH, &mode)) {
		snprintf(
		    why, STORE_WHY_MAX,
		    _("Will not serve the accounts in %.200s: others than their owner may write them (mode %04o); say "
		      "chmod go-rwx for that file."),
		    path, mode);
		return STORE_WRITABLE;
	}
	char kept = name[name == path];
	name[name == path] = '\0';
	bool is_open = others_may(path, S_IWGRP | S_IWOTH, &mode);
	name[name == path] = kept;
	if (is_open) {
		snprintf(
		    why, STORE_WHY_MAX,
		    _("Will not serve the accounts in %.200s: others than the owner of their folder may write in it "
		      "(mode %04o); say chmod go-w for that folder, or move them into one of their own."),
		    path, mode);
		return STORE_WRITABLE;
	}
	if (others_may(path, S_IRGRP | S_IROTH, &mode)) {
		snprintf(
		    why, STORE_WHY_MAX,
		    _("Others than their owner may read the accounts in %.200s (mode %04o), and try passwords against "
		      "them; say chmod go-rwx for that file."),
		    path, mode);
		return STORE_READABLE;
	}
	return STORE_PRIVATE;
}
