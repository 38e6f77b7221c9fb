#include "comeback.h"

#include "wait.h"

#define THREAD_MS 1000 /* until there may be one, where there is none to be had */

int comeback_init(struct comeback *c, struct reach *reach)
{
	*c = (struct comeback){.may_ask = reach->may_ask, .traced = reach->traced};
	reach->may_ask = false;
	return reach_thread_init(&c->dial, reach);
}

void comeback_fini(struct comeback *c)
{
	reach_thread_fini(&c->dial);
}

void comeback_begin(struct comeback *c, const char *what, uint64_t missing)
{
	c->under_way = true;
	c->try_ms = wait_now_ms() + reach_drop(c->dial.reach, what, missing);
}

void comeback_hurry(struct comeback *c)
{
	c->try_ms = 0;
}

bool comeback_is_trying(const struct comeback *c)
{
	return c->dial.under_way;
}

int comeback_fd(const struct comeback *c)
{
	return comeback_is_trying(c) ? c->dial.ended : -1;
}

uint64_t comeback_due_ms(const struct comeback *c)
{
	return comeback_is_trying(c) ? WAIT_FOR_EVER : c->try_ms;
}

static void begin_try(struct comeback *c)
{
	c->dial.reach->traced = c->traced;
	if (reach_thread_begin(&c->dial, WAIT_FOR_EVER))
		c->try_ms = wait_now_ms() + THREAD_MS;
}

static enum comeback_result finish(struct comeback *c, const struct channel *reached, struct channel *out)
{
	*out = *reached;
	out->trace = c->traced ? stderr : NULL; /* it may have been switched meanwhile */
	c->under_way = false;
	reach_back(c->dial.reach);
	return COMEBACK_REACHED;
}

static enum comeback_result fail(struct comeback *c, const struct trouble *trouble)
{
	uint64_t wait = 0;

	c->status = reach_fail(c->dial.reach, trouble, &wait);
	if (c->status != STATUS_FINE)
		return COMEBACK_FAILED;
	c->try_ms = wait_now_ms() + wait;
	return COMEBACK_GOES_ON;
}

static enum comeback_result end_try(struct comeback *c, struct channel *channel)
{
	struct reach_thread *d = &c->dial;

	reach_thread_end(d);
	if (d->reached)
		return finish(c, &d->channel, channel);
	if (c->may_ask && d->reach->wants_password)
		return COMEBACK_ASKS;
	return fail(c, &d->trouble);
}

enum comeback_result comeback_step(struct comeback *c, short revents, struct channel *channel)
{
	if (comeback_is_trying(c))
		return revents ? end_try(c, channel) : COMEBACK_GOES_ON;
	if (wait_now_ms() >= c->try_ms)
		begin_try(c);
	return COMEBACK_GOES_ON;
}

enum comeback_result comeback_ask(struct comeback *c, struct channel *channel)
{
	struct reach *r = c->dial.reach;
	struct trouble trouble;
	struct channel reached;

	r->may_ask = true;
	bool is_reached = reach_try(r, WAIT_FOR_EVER, &reached, &trouble);
	r->may_ask = false;
	return is_reached ? finish(c, &reached, channel) : fail(c, &trouble);
}
