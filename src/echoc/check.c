#include "check.h"

#include <errno.h>
#include <stdio.h>

#include "clock.h"
#include "json.h"
#include "program.h"
#include "round_trip.h"
#include "run_json.h"
#include "wait.h"
#include "words.h"

struct check {
	struct reach *reach;
	uint64_t wait_ms, until_ms; /* of --wait */
	struct backoff backoff;
	int64_t started_us;
	unsigned tries; /* connections that stood */
	struct round_trip trip;
};

static uint64_t left_ms(const struct check *c)
{
	uint64_t now = wait_now_ms();

	return c->until_ms > now ? c->until_ms - now : 0;
}

/* Connections and round trips until one is whole, or the time is over. */
static enum status try_until(struct check *c, struct options *options)
{
	struct channel channel;

	for (;;) {
		options->wait_ms = left_ms(c);
		enum status status = reach_first(c->reach, &channel);
		if (status != STATUS_FINE)
			return status;
		c->tries++;
		status = round_trip_make(c->reach, &channel, &c->trip);
		if (status == STATUS_FINE)
			return status;
		uint64_t left = left_ms(c), wait = backoff_next_ms(&c->backoff);
		if (!c->trip.dropped || left == 0) {
			program_say(ECHOC, "%s.", c->reach->why);
			return status;
		}
		wait_sleep_ms(wait < left ? wait : left);
	}
}

static void put_result(const struct check *c)
{
	const struct reach *r = c->reach;
	struct json j;

	json_begin(&j, stdout);
	json_text(&j, "schema", options_schema(MODE_CHECK));
	json_text(&j, "type", "result");
	run_json(&j, c->started_us);
	json_open(&j, "options");
	json_text(&j, "address", r->where);
	json_real(&j, "wait_s", (double)c->wait_ms / 1e3);
	json_close(&j);
	json_open(&j, "phases_ns");
	for (int i = 0; i < PHASES; i++)
		json_count_or_null(&j, phase_keys[i], r->phases.known[i], r->phases.ns[i]);
	json_close(&j);
	json_count(&j, "tries", c->tries);
	json_count(&j, "bytes", ROUND_TRIP_BYTES);
	json_count(&j, "round_trip_ns", c->trip.ns);
	json_integer(&j, "status", STATUS_FINE);
	json_end(&j);
}

static enum status print(const struct check *c)
{
	if (c->reach->options->json)
		put_result(c);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return STATUS_FINE;
	program_say(ECHOC, _("cannot write the result: %s."), words_error(errno));
	return STATUS_LOST;
}

enum status check_run(struct reach *r)
{
	const struct options *given = r->options;
	struct options silent = *given;
	struct check c = {.reach = r,
	                  .started_us = clock_wall_us(),
	                  .wait_ms = given->wait_ms,
	                  .until_ms = wait_now_ms() + given->wait_ms};

	/* There is nothing to say in between, and a busy server is not waited for longer than one that is not there. */
	silent.quiet = true;
	silent.retry_ms = 0;
	r->options = &silent;
	enum status status = try_until(&c, &silent);
	if (status == STATUS_FINE)
		status = print(&c);
	else
		reach_failed_json(r, status);
	r->options = given;
	return status;
}
