#include "privileges.h"

#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "program.h"
#include "words.h"

#define NAME "echod"

#define WORD_BITS 32
#define KEPT      (1U << CAP_DAC_READ_SEARCH) /* in the first word */

static_assert(CAP_DAC_READ_SEARCH < WORD_BITS, "KEPT is in the first word");

static void look_up(struct privileges *p)
{
	errno = 0;
	const struct passwd *entry = getpwnam(p->user);
	if (entry) {
		p->uid = entry->pw_uid;
		p->gid = entry->pw_gid;
		return;
	}
	if (errno)
		program_usage(NAME, _("--user '%s': the users cannot be looked up: %s."), p->user, words_error(errno));
	program_usage(NAME, _("--user '%s': there is no such user on this machine; give one that is in passwd(5)."),
	              p->user);
}

void privileges_choose(struct privileges *p, const char *user, bool allow_root)
{
	*p = (struct privileges){.user = user, .uid = (uid_t)-1, .gid = (gid_t)-1};
	if (!user && geteuid() == 0 && !allow_root)
		program_usage(NAME, _("will not serve as root: name the user to become once the ports are bound, as in "
		                      "--user nobody, or say --allow-root."));
	if (!user)
		return;
	look_up(p);
	if (p->uid == 0)
		program_usage(NAME, _("--user '%s': that is root; name another user, or say --allow-root instead."),
		              user);
	if (geteuid() != 0 && p->uid != geteuid())
		program_usage(NAME,
		              _("--user '%s': only root can become another user; start echod as root, or leave out "
		                "--user."),
		              user);
	if (geteuid() != 0) /* it is that user already */
		*p = (struct privileges){.uid = (uid_t)-1, .gid = (gid_t)-1};
}

/* One capability set of this thread; the kernel's own structures, for libc has no call of its own. */
struct capabilities {
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct word[_LINUX_CAPABILITY_U32S_3];
};

static int get_capabilities(struct capabilities *c)
{
	*c = (struct capabilities){.header.version = _LINUX_CAPABILITY_VERSION_3};
	return syscall(SYS_capget, &c->header, c->word) < 0 ? -errno : 0;
}

static int set_capabilities(struct capabilities *c)
{
	return syscall(SYS_capset, &c->header, c->word) < 0 ? -errno : 0;
}

/* What a program that is executed could get at most: nothing. */
static int empty_bounding_set(void)
{
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -errno;
	}
	return 0;
}

/* glibc's calls change all threads, the log's writer too. */
static int change_user(const struct privileges *p)
{
	if (initgroups(p->user, p->gid) < 0 || setresgid(p->gid, p->gid, p->gid) < 0 ||
	    setresuid(p->uid, p->uid, p->uid) < 0)
		return -errno;
	return 0;
}

static int keep_one_capability(void)
{
	struct capabilities c;
	int err = get_capabilities(&c);

	if (err)
		return err;
	c.word[0].permitted &= KEPT;
	c.word[0].effective = c.word[0].inheritable = 0;
	c.word[1] = (struct __user_cap_data_struct){0};
	return set_capabilities(&c);
}

static int become(const struct privileges *p)
{
	int err = empty_bounding_set();

	if (!err && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		err = -errno;
	if (!err)
		err = change_user(p);
	if (!err)
		err = keep_one_capability();
	if (!err && prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		err = -errno;
	if (!err && setresuid((uid_t)-1, 0, (uid_t)-1) == 0) /* what cannot be, looked at all the same */
		err = -ENOTRECOVERABLE;
	return err;
}

int privileges_drop(const struct privileges *p)
{
	int err = p->user ? become(p) : 0;

	if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		err = -errno;
	return err;
}

void privileges_read_all(bool on)
{
	struct capabilities c;

	if (geteuid() == 0 || get_capabilities(&c) || !(c.word[0].permitted & KEPT))
		return;
	c.word[0].effective = on ? KEPT : 0;
	(void)set_capabilities(&c);
}
