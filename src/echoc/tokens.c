#include "tokens.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "state.h"
#include "text.h"

#define FOLDER_NAME "tokens"

static int64_t now_s(void)
{
	return clock_wall_us() / 1000000;
}

void tokens_init(struct tokens *t, bool off)
{
	*t = (struct tokens){.off = off, .folder = -1, .file = -1};
}

/* Lets go of the file. */
static void let_go(struct tokens *t)
{
	if (t->file >= 0) {
		if (!*t->token.text)
			(void)unlinkat(t->folder, t->name, 0);
		close(t->file);
	}
	if (t->folder >= 0)
		close(t->folder);
	t->file = t->folder = -1;
	token_forget(&t->token);
}

void tokens_fini(struct tokens *t)
{
	let_go(t);
	*t->identity = *t->user = '\0';
}

static int open_folder(void)
{
	char *path;
	int state = state_open(true, &path);

	free(path);
	if (state < 0)
		return state;
	int folder = state_open_folder(state, FOLDER_NAME, true);
	close(state);
	return folder;
}

/* FNV-1a: different servers and users get different files, and what a file is for stands in it besides. */
static uint64_t mix(uint64_t sum, const char *text)
{
	do {
		sum = (sum ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	} while (*text++);
	return sum;
}

static void set_name(struct tokens *t, unsigned number)
{
	uint64_t sum = mix(mix(UINT64_C(0xcbf29ce484222325), t->identity), t->user);

	snprintf(t->name, sizeof(t->name), "%016" PRIx64 ".%u", sum, number);
}

/* Opens the file of that number and locks it. Returns a descriptor; -EWOULDBLOCK where another process has it; or
 * another negative errno. */
static int hold(struct tokens *t, unsigned number, int flags)
{
	struct stat st;

	set_name(t, number);
	int fd = state_open_file(t->folder, t->name, O_RDWR | flags);
	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		if (fstat(fd, &st) == 0 && st.st_nlink > 0)
			return fd;
		errno = EWOULDBLOCK; /* whoever had it has just removed it */
	}
	int err = -errno;
	close(fd);
	return err;
}

static bool read_token(struct tokens *t, int fd)
{
	char text[TOKEN_FILE_MAX];
	long n = state_read(fd, text, sizeof(text));
	bool good = n > 0 && token_parse_file(&t->token, text, (size_t)n, t->identity, t->user) &&
	            token_is_good(&t->token, now_s());

	explicit_bzero(text, sizeof(text));
	if (!good)
		token_forget(&t->token);
	return good;
}

/* Looks for an orphan with a token that is good; returns whether there is one, which is ours then. */
static bool adopt(struct tokens *t)
{
	for (unsigned i = 0; i < TOKENS_FILES_MAX; i++) {
		int fd = hold(t, i, 0);
		if (fd < 0)
			continue;
		if (read_token(t, fd)) {
			t->file = fd;
			return true;
		}
		close(fd);
	}
	return false;
}

static void make_file(struct tokens *t)
{
	for (unsigned i = 0; i < TOKENS_FILES_MAX; i++) {
		int fd = hold(t, i, O_CREAT);
		if (fd == -EWOULDBLOCK)
			continue;
		t->file = fd < 0 ? -1 : fd;
		return;
	}
}

void tokens_attach(struct tokens *t, const char *identity, const char *user)
{
	if (t->off || (strcmp(t->identity, identity) == 0 && strcmp(t->user, user) == 0))
		return;
	let_go(t);
	(void)text_copy(t->identity, sizeof(t->identity), identity);
	(void)text_copy(t->user, sizeof(t->user), user);
	t->folder = open_folder();
	if (t->folder >= 0 && !adopt(t))
		make_file(t);
}

const char *tokens_usable(const struct tokens *t)
{
	return !t->off && token_is_good(&t->token, now_s()) ? t->token.text : NULL;
}

/* In one write, and over the old text: whoever is killed here leaves the one or the other. */
static int write_file(const struct tokens *t, const struct token *token)
{
	char text[TOKEN_FILE_MAX];
	int n = token_format_file(text, token, t->identity, t->user), err = n < 0 ? n : 0;

	if (!err && pwrite(t->file, text, (size_t)n, 0) != n)
		err = -EIO;
	explicit_bzero(text, sizeof(text));
	if (!err && (ftruncate(t->file, n) < 0 || fdatasync(t->file) < 0))
		err = -errno;
	return err;
}

void tokens_keep(struct tokens *t, const struct token *successor)
{
	int err = t->file >= 0 ? write_file(t, successor) : 0;

	if (!err || !tokens_usable(t))
		t->token = *successor;
}

void tokens_drop(struct tokens *t)
{
	token_forget(&t->token);
	if (t->file >= 0)
		(void)!ftruncate(t->file, 0);
}
