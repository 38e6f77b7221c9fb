#include "pem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "text.h"
#include "words.h"

/* The file is read once, so one that grows meanwhile is cut, and then is no PEM. */
static int read_all(struct pem *pem, int fd, size_t size)
{
	pem->text = malloc(size + 1);
	pem->len = 0;
	if (!pem->text)
		return -ENOMEM;
	while (pem->len < size) {
		ssize_t n = read(fd, pem->text + pem->len, size - pem->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int err = -errno;
			pem_wipe(pem);
			return err;
		}
		if (n == 0)
			break;
		pem->len += (size_t)n;
	}
	return 0;
}

static int read_file(struct pem *pem, int folder, const char *name, int flags, mode_t forbidden)
{
	struct stat st;
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags);

	*pem = (struct pem){.text = NULL};
	if (fd < 0)
		return -errno;
	int err = fstat(fd, &st) < 0 ? -errno : 0;
	if (!err && (!S_ISREG(st.st_mode) || st.st_size > PEM_MAX))
		err = -EINVAL;
	if (!err && (st.st_mode & forbidden))
		err = -EPERM;
	if (!err)
		err = read_all(pem, fd, (size_t)st.st_size);
	close(fd);
	return err;
}

int pem_read(struct pem *pem, int folder, const char *name, int flags)
{
	return read_file(pem, folder, name, flags, 0);
}

int pem_read_key(struct pem *pem, int folder, const char *name, int flags)
{
	return read_file(pem, folder, name, flags, S_IWGRP | S_IROTH | S_IWOTH);
}

const char *pem_why(int err)
{
	switch (err) {
	case -EPERM: return _("others than its owner may read or change it: chmod 600 it");
	case -EINVAL: return _("it is no file of at most 1 MiB");
	default: return words_error(-err);
	}
}

int pem_join(struct pem *whole, const struct pem *a, const struct pem *b)
{
	whole->len = a->len + 1 + b->len;
	whole->text = malloc(whole->len);
	if (!whole->text)
		return -ENOMEM;
	memcpy(whole->text, a->text, a->len);
	whole->text[a->len] = '\n'; /* the first may lack its last one */
	memcpy(whole->text + a->len + 1, b->text, b->len);
	return 0;
}

int pem_try(const struct pem *pem, struct pem_facts *facts, char why[TLS_WHY_MAX])
{
	struct tls_context *context = NULL;

	(void)text_copy(why, TLS_WHY_MAX, N_("memory is out"));
	int err = tls_context_open_server(&context, pem->text, pem->len, why);
	if (err)
		return err;
	err = tls_context_pin(context, facts->pin);
	facts->not_after = tls_context_not_after(context);
	tls_context_close(context);
	return err;
}

int pem_seal(const struct pem *pem)
{
	int fd = memfd_create("echod-tls", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	int err = file_write_all(fd, pem->text, pem->len);
	if (!err && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		err = -errno;
	if (!err)
		return fd;
	close(fd);
	return err;
}

void pem_wipe(struct pem *pem)
{
	if (pem->text)
		explicit_bzero(pem->text, pem->len);
	free(pem->text);
	*pem = (struct pem){.text = NULL};
}
