#include "idle_search.h"

#include <math.h>

#define ANSWER_LEAST_MS 1000 /* three retransmissions of what is lost (RFC 6298: 0.2, 0.4 and 0.8 s on Linux) */
#define ANSWER_MOST_MS  5000

void idle_search_init(struct idle_search *s, uint64_t min_ms, uint64_t max_ms, uint64_t resolution_ms)
{
	s->min_ms = min_ms;
	s->max_ms = max_ms;
	s->resolution_ms = resolution_ms;
	s->round = 0;
	s->count = 0;
}

void idle_search_add(struct idle_search *s, const struct idle_finding *finding)
{
	if (s->count == IDLE_FOUND_MAX)
		return;
	s->found[s->count] = *finding;
	s->found[s->count++].round = s->round;
}

/* ---- what is known ---- */

const struct idle_finding *idle_search_cut(const struct idle_search *s)
{
	const struct idle_finding *cut = NULL;

	for (size_t i = 0; i < s->count; i++) {
		const struct idle_finding *f = &s->found[i];
		if (f->outcome != IDLE_SURVIVED && (!cut || f->idle_ms < cut->idle_ms))
			cut = f;
	}
	return cut;
}

/* The longest time that was survived, from least_ms on and below below_ms; 0: none. */
static uint64_t longest_survived(const struct idle_search *s, uint64_t least_ms, uint64_t below_ms)
{
	uint64_t longest = 0;

	for (size_t i = 0; i < s->count; i++) {
		const struct idle_finding *f = &s->found[i];
		if (f->outcome == IDLE_SURVIVED && f->idle_ms >= least_ms && f->idle_ms < below_ms &&
		    f->idle_ms > longest)
			longest = f->idle_ms;
	}
	return longest;
}

uint64_t idle_search_lower_ms(const struct idle_search *s)
{
	const struct idle_finding *cut = idle_search_cut(s);

	return longest_survived(s, 0, cut ? cut->idle_ms : UINT64_MAX);
}

uint64_t idle_search_beyond_ms(const struct idle_search *s)
{
	const struct idle_finding *cut = idle_search_cut(s);

	return cut ? longest_survived(s, cut->idle_ms + s->resolution_ms, UINT64_MAX) : 0;
}

/* Where the bracket begins: nothing below min is looked at. */
static uint64_t low_ms(const struct idle_search *s)
{
	uint64_t lower = idle_search_lower_ms(s);

	return lower ? lower : s->min_ms;
}

static bool is_near_enough(const struct idle_search *s)
{
	const struct idle_finding *cut = idle_search_cut(s);

	return cut && cut->idle_ms <= low_ms(s) + s->resolution_ms;
}

/* Whether in two rounds connections were cut at about the same time, or it has turned out that they are not. */
static bool is_settled(const struct idle_search *s)
{
	const struct idle_finding *cut = idle_search_cut(s);

	for (size_t i = 0; i < s->count; i++) {
		const struct idle_finding *f = &s->found[i];
		if (f->outcome != IDLE_SURVIVED && f->round != cut->round &&
		    f->idle_ms < cut->idle_ms + 2 * s->resolution_ms)
			return true;
	}
	return idle_search_beyond_ms(s) > 0;
}

bool idle_search_is_done(const struct idle_search *s)
{
	if (s->count == IDLE_FOUND_MAX)
		return true;
	if (!idle_search_cut(s))
		return idle_search_lower_ms(s) >= s->max_ms;
	return is_near_enough(s) && is_settled(s);
}

bool idle_search_wants(const struct idle_search *s, uint64_t idle_ms)
{
	const struct idle_finding *cut = idle_search_cut(s);

	if (!cut || idle_ms < cut->idle_ms)
		return true;
	return is_near_enough(s) && !is_settled(s) && s->round > cut->round;
}

/* ---- what to try ---- */

/* What neighbours are apart at most: less than the resolution, for no connection is on time to the millisecond. */
static uint64_t step_ms(const struct idle_search *s)
{
	return s->resolution_ms - s->resolution_ms / 8;
}

/* Geometrically from the bracket's beginning to max, both among them; none nearer to each other than need be. */
static size_t spread_widely(const struct idle_search *s, size_t connections, uint64_t *times)
{
	double low = (double)low_ms(s), ratio = (double)s->max_ms / low;
	size_t n = 0;

	for (size_t i = 0; i + 1 < connections; i++) {
		uint64_t t = (uint64_t)(low * pow(ratio, (double)i / (double)(connections - 1)));
		if (t + step_ms(s) <= s->max_ms && (n == 0 || t >= times[n - 1] + step_ms(s)))
			times[n++] = t;
	}
	times[n++] = s->max_ms;
	return n;
}

/* How many times in between make each part of len at most a step long; most at most, but 1 at least. */
static uint64_t times_between(const struct idle_search *s, uint64_t len_ms, size_t most)
{
	uint64_t parts = (len_ms + step_ms(s) - 1) / step_ms(s);

	if (parts < 2)
		return 1;
	return parts - 1 < most ? parts - 1 : most;
}

/* Evenly within the bracket. A cut whose time is known leaves a time just below it to be tried, and those between. */
static size_t spread_evenly(const struct idle_search *s, const struct idle_finding *cut, size_t most, uint64_t *times)
{
	uint64_t low = low_ms(s), high = cut->idle_ms - (cut->exact ? step_ms(s) : 0), n = 0;

	if (idle_search_lower_ms(s) == 0 && most > 1)
		times[n++] = low;
	uint64_t between = times_between(s, high - low, most - n);
	uint64_t parts = cut->exact ? between : between + 1;
	for (uint64_t i = 1; i <= between; i++)
		times[n++] = low + (high - low) * i / parts;
	return n;
}

size_t idle_search_next(struct idle_search *s, size_t connections, uint64_t times_ms[IDLE_CONNECTIONS_MAX])
{
	const struct idle_finding *cut = idle_search_cut(s);
	size_t n = 0;

	s->round++;
	if (!cut)
		return spread_widely(s, connections, times_ms);
	if (!is_near_enough(s))
		n = spread_evenly(s, cut, connections > 1 ? connections - 1 : 1, times_ms);
	if (n < connections)
		times_ms[n++] = cut->idle_ms + s->resolution_ms;
	return n;
}

/* ---- how long it takes ---- */

uint64_t idle_search_answer_ms(uint64_t idle_ms)
{
	uint64_t ms = idle_ms / 4;

	if (ms < ANSWER_LEAST_MS)
		return ANSWER_LEAST_MS;
	return ms < ANSWER_MOST_MS ? ms : ANSWER_MOST_MS;
}

static uint64_t round_ms(uint64_t idle_ms)
{
	return idle_ms + idle_search_answer_ms(idle_ms);
}

uint64_t idle_search_rest_ms(const struct idle_search *s, size_t connections)
{
	const struct idle_finding *cut = idle_search_cut(s);
	uint64_t low = low_ms(s), high = cut ? cut->idle_ms : s->max_ms, total = 0, times[IDLE_CONNECTIONS_MAX];

	if (!cut) {
		size_t n = spread_widely(s, connections, times);
		total = round_ms(high);
		if (n > 1)
			low = times[n - 2];
	}
	/* At worst the last part is the one, each time, and what was found in the last round is tried once more. */
	while (high > low + s->resolution_ms) {
		total += round_ms(high + s->resolution_ms);
		uint64_t parts = times_between(s, high - low, connections > 1 ? connections - 1 : 1) + 1;
		low = high - (high - low + parts - 1) / parts;
	}
	return total + round_ms(high + s->resolution_ms);
}
