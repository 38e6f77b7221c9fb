#include "certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "certificate_own.h"
#include "clock.h"
#include "privileges.h"
#include "text.h"
#include "words.h"

static int PRINTF_LIKE(2, 0) say_unreadable(char *why, const char *fmt, const char *path, int err)
{
	snprintf(why, CERTIFICATE_WHY_MAX, fmt, path, pem_why(err));
	return -1;
}

/* Both may be in one file. Only root may be able to read them. */
static int read_given(const struct certificate_source *from, struct pem *both, char *why)
{
	struct pem cert, key;
	bool is_one = strcmp(from->cert, from->key) == 0;

	privileges_read_all(true);
	int err = pem_read_key(&key, AT_FDCWD, from->key, 0);
	int cert_err = err || is_one ? 0 : pem_read(&cert, AT_FDCWD, from->cert, 0);
	privileges_read_all(false);
	if (err)
		return say_unreadable(why, _("cannot use the key %.300s: %s, or give another with --key."), from->key,
		                      err);
	if (is_one) {
		*both = key;
		return 0;
	}
	err = cert_err ? say_unreadable(why, _("cannot use the certificate %.300s: %s, or give another with --cert."),
	                                from->cert, cert_err)
	               : 0;
	if (!err && pem_join(both, &cert, &key)) {
		snprintf(why, CERTIFICATE_WHY_MAX, "%s",
		         _("cannot read the key and the certificate: memory is out; free some."));
		err = -1;
	}
	pem_wipe(&key);
	if (!cert_err)
		pem_wipe(&cert);
	return err;
}

static int try_given(const struct certificate_source *from, const struct pem *both, struct pem_facts *facts, char *why)
{
	char clause[TLS_WHY_MAX];

	if (!pem_try(both, facts, clause))
		return 0;
	snprintf(why, CERTIFICATE_WHY_MAX,
	         _("cannot serve TLS with the certificate %.300s and the key %.300s: %s; give two in PEM that belong "
	           "together, without a passphrase."),
	         from->cert, from->key, _(clause));
	return -1;
}

int certificate_open(struct certificate *c, const struct certificate_source *from, char why[CERTIFICATE_WHY_MAX])
{
	struct pem both = {.text = NULL};

	*c = (struct certificate){.fd = -1};
	if (from->cert)
		(void)text_copy(c->path, sizeof(c->path), from->cert);
	else
		snprintf(c->path, sizeof(c->path), "%s/%s", from->state, CERTIFICATE_OWN_FILE);
	int err = from->cert ? read_given(from, &both, why)
	                     : certificate_own_read(from->state, &both, &c->facts, &c->news, why);
	if (!err && from->cert)
		err = try_given(from, &both, &c->facts, why);
	if (!err && (c->fd = pem_seal(&both)) < 0) {
		snprintf(why, CERTIFICATE_WHY_MAX,
		         _("cannot hand over the certificate %.300s: %s; free some memory or descriptors."), c->path,
		         words_error(-c->fd));
		c->fd = -1;
		err = -1;
	}
	c->size = both.len;
	pem_wipe(&both);
	return err;
}

void certificate_close(struct certificate *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

bool certificate_has_ended(const struct certificate *c)
{
	return c->facts.not_after < clock_wall_us() / 1000000;
}
