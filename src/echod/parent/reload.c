#include "reload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "family.h"
#include "logfile.h"

#define DAY_MS (UINT64_C(24) * 3600 * 1000)

static bool serves_tls(const struct run *run)
{
	for (uint32_t i = 0; i < run->listeners; i++) {
		if (run->listener[i].address.tls)
			return true;
	}
	return false;
}

static void log_certificate(struct run *run, const struct certificate *c)
{
	struct log_line line;
	char when[CLOCK_TEXT_MAX];

	log_begin(&line, run->log, LOG_INFO, "tls_key");
	log_text(&line, "pin", c->facts.pin);
	log_text(&line, "cert", c->path);
	log_end(&line);
	clock_format_s(when, c->facts.not_after * 1000000);
	switch (c->news) {
	case CERTIFICATE_FOUND: break;
	case CERTIFICATE_MADE:
		log_event(run->log, LOG_WARNING, "tls_made",
		          "there was no key yet: made one, and a certificate until %s", when);
		break;
	case CERTIFICATE_RENEWED:
		log_event(run->log, LOG_INFO, "tls_renewed", "made another certificate for the same key, until %s",
		          when);
		break;
	}
	if (certificate_has_ended(c))
		log_event(run->log, LOG_WARNING, "tls_ended",
		          "the certificate %s ended on %s: clients that do not know its key will refuse it", c->path,
		          when);
}

static int read_certificate(struct run *run, struct certificate *c, char *why)
{
	const struct options *o = &run->options;
	const struct certificate_source from = {.cert = o->cert, .key = o->key, .state = o->state};

	return certificate_open(c, &from, why);
}

/* An ended certificate in the place of one that is good is a mistake; at the start, it is better than none. */
static int check_dates(const struct run *run, const struct certificate *fresh, char *why)
{
	if (!certificate_has_ended(fresh) || certificate_has_ended(&run->certificate))
		return 0;
	snprintf(why, CERTIFICATE_WHY_MAX,
	         "cannot take the certificate %.300s: it has ended, and the one in use has not; put a newer one there.",
	         fresh->path);
	return -1;
}

static int reload_certificate(struct run *run, char *why)
{
	struct certificate fresh;

	if (read_certificate(run, &fresh, why) || check_dates(run, &fresh, why)) {
		log_event(run->log, LOG_ERROR, "tls_reload", "%s The old certificate stays.", why);
		certificate_close(&fresh);
		return -1;
	}
	log_certificate(run, &fresh);
	certificate_close(&run->certificate);
	run->certificate = fresh;
	family_send_certificate(run);
	return 0;
}

/* One's own certificate is renewed where it has come near its end. */
static void a_day_later(struct deadline *d)
{
	struct run *run = container_of(d, struct run, renewal);
	char why[CERTIFICATE_WHY_MAX];

	(void)reload_certificate(run, why);
	loop_arm(&run->loop, d, DAY_MS);
}

int reload_begin(struct run *run)
{
	char why[CERTIFICATE_WHY_MAX];

	if (!serves_tls(run))
		return 0;
	if (read_certificate(run, &run->certificate, why)) {
		run_fail(run, RUN_FAILED, "%s", why);
		return -1;
	}
	log_certificate(run, &run->certificate);
	deadline_init(&run->renewal, a_day_later);
	if (!run->options.cert)
		loop_arm(&run->loop, &run->renewal, DAY_MS);
	return 0;
}

struct document reload_all(struct run *run)
{
	char why[CERTIFICATE_WHY_MAX] = "";
	bool has_log = run->options.log, has_tls = run->certificate.fd >= 0;
	int log_err = logfile_reopen(run);
	int tls_err = has_tls ? reload_certificate(run, why) : 0;

	if (tls_err)
		return document_error(DOCUMENT_FAILED, "%s", why);
	if (log_err)
		return document_error(DOCUMENT_FAILED, "cannot open the log %s anew: %s; the old file is written on.",
		                      logfile_name(run), strerror(-log_err));
	return document_print("{\"reloaded\": [%s%s%s]}", has_log ? "\"log\"" : "", has_log && has_tls ? ", " : "",
	                      has_tls ? "\"certificate\"" : "");
}

void reload_end(struct run *run)
{
	certificate_close(&run->certificate);
}
