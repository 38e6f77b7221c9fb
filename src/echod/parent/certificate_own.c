#include "certificate_own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "text.h"
#include "words.h"

#define KEY_FILE   "tls.key"
#define LOCK_FILE  "tls.lock"
#define LOCK_TRIES 500 /* of 10 ms: another server makes a key and a certificate in a few */
#define DAY_S      86400

struct own {
	const char *state;
	int folder, lock;
	struct pem key, cert, *both;
	struct pem_facts *facts;
	char *why;
};

static int say(const struct own *own, const char *name, const char *reason, const char *advice)
{
	snprintf(own->why, CERTIFICATE_WHY_MAX, _("cannot use %s in the state directory %.300s: %s; %s."), name,
	         own->state, reason, advice);
	return -1;
}

static void forget(struct own *own)
{
	pem_wipe(&own->key);
	pem_wipe(&own->cert);
	pem_wipe(own->both);
}

static bool lasts(const struct own *own)
{
	return own->facts->not_after - clock_wall_us() / 1000000 > CERTIFICATE_RENEW_DAYS * DAY_S;
}

enum look { LOOK_GOOD, LOOK_NO_KEY, LOOK_NO_CERTIFICATE, LOOK_FAILED };

/* What is there. Only a key that is not there at all is none. */
static enum look look(struct own *own)
{
	char clause[TLS_WHY_MAX];
	int err = pem_read_key(&own->key, own->folder, KEY_FILE, O_NOFOLLOW);

	if (err == -ENOENT)
		return LOOK_NO_KEY;
	if (err) {
		say(own, KEY_FILE, pem_why(err), _("give another certificate and key with --cert and --key"));
		return LOOK_FAILED;
	}
	if (pem_read(&own->cert, own->folder, CERTIFICATE_OWN_FILE, O_NOFOLLOW))
		return LOOK_NO_CERTIFICATE;
	if (pem_join(own->both, &own->cert, &own->key)) {
		say(own, KEY_FILE, _("memory is out"), _("free some"));
		return LOOK_FAILED;
	}
	return pem_try(own->both, own->facts, clause) == 0 && lasts(own) ? LOOK_GOOD : LOOK_NO_CERTIFICATE;
}

static int take_lock(struct own *own)
{
	const struct timespec a_moment = {.tv_nsec = 10000000};

	own->lock = openat(own->folder, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (own->lock < 0)
		return -errno;
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(own->lock, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		nanosleep(&a_moment, NULL);
	}
	return -EBUSY;
}

static int make_key(struct own *own)
{
	int err = tls_make_key(&own->key.text, &own->key.len);

	if (!err)
		err = file_write_durably(own->folder, KEY_FILE, own->key.text, own->key.len);
	return err ? say(own, KEY_FILE, words_error(-err), _("free some space, or give --cert and --key")) : 0;
}

static int make_certificate(struct own *own)
{
	char host[256] = "", clause[TLS_WHY_MAX];

	if (gethostname(host, sizeof(host) - 1) < 0 || !host[0])
		(void)text_copy(host, sizeof(host), "localhost");
	int err = tls_make_certificate(own->key.text, own->key.len, host, CERTIFICATE_OWN_DAYS, &own->cert.text,
	                               &own->cert.len);
	if (err == -EINVAL)
		return say(
		    own, KEY_FILE, _("it holds no key"),
		    _("restore it, or remove it to have another made, which clients that know this one will refuse"));
	if (!err)
		err = file_write_durably(own->folder, CERTIFICATE_OWN_FILE, own->cert.text, own->cert.len);
	if (err)
		return say(own, CERTIFICATE_OWN_FILE, words_error(-err),
		           _("free some space, or give --cert and --key"));
	if (pem_join(own->both, &own->cert, &own->key))
		return say(own, CERTIFICATE_OWN_FILE, _("memory is out"), _("free some"));
	if (pem_try(own->both, own->facts, clause))
		return say(own, CERTIFICATE_OWN_FILE, _(clause), _("give --cert and --key"));
	return 0;
}

/* Another server may have made it since we looked, so it is looked at again. */
static int make(struct own *own, enum certificate_news *news)
{
	int err = take_lock(own);

	if (err)
		return say(own, LOCK_FILE, words_error(-err), _("see whether another echod hangs there"));
	forget(own);
	enum look found = look(own);
	switch (found) {
	case LOOK_FAILED: return -1;
	case LOOK_GOOD: return 0;
	case LOOK_NO_KEY:
		if (make_key(own))
			return -1;
		break;
	case LOOK_NO_CERTIFICATE: break;
	}
	pem_wipe(&own->cert);
	pem_wipe(own->both);
	*news = found == LOOK_NO_KEY ? CERTIFICATE_MADE : CERTIFICATE_RENEWED;
	return make_certificate(own);
}

int certificate_own_read(const char *state, struct pem *both, struct pem_facts *facts, enum certificate_news *news,
                         char why[CERTIFICATE_WHY_MAX])
{
	struct own own = {.state = state, .lock = -1, .both = both, .facts = facts, .why = why};
	int err = 0;

	*news = CERTIFICATE_FOUND;
	own.folder = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (own.folder < 0)
		return say(&own, CERTIFICATE_OWN_FILE, words_error(errno), _("give another with --state"));
	enum look found = look(&own);
	if (found == LOOK_FAILED)
		err = -1;
	else if (found != LOOK_GOOD)
		err = make(&own, news);
	pem_wipe(&own.key);
	pem_wipe(&own.cert);
	if (own.lock >= 0)
		close(own.lock);
	close(own.folder);
	return err;
}
