#include "ping_schedule.h"

#define MS_NS UINT64_C(1000000)

void ping_schedule_init(struct ping_schedule *s, const struct ping_options *o, uint64_t start_ns)
{
	*s = (struct ping_schedule){.start_ns = start_ns,
	                            .interval_ns = o->interval_ms * MS_NS,
	                            .count = o->count ? o->count : UINT64_MAX,
	                            .deadline_ns = o->deadline_ms ? start_ns + o->deadline_ms * MS_NS : UINT64_MAX};
}

bool ping_schedule_is_over(const struct ping_schedule *s, uint64_t now_ns)
{
	return s->taken >= s->count || now_ns >= s->deadline_ns;
}

uint64_t ping_schedule_due_ns(const struct ping_schedule *s)
{
	uint64_t ns = s->start_ns + s->taken * s->interval_ns;

	if (s->taken >= s->count)
		return UINT64_MAX;
	return ns < s->deadline_ns ? ns : s->deadline_ns;
}

uint64_t ping_schedule_take(struct ping_schedule *s)
{
	return ++s->taken;
}

uint64_t ping_schedule_skip(struct ping_schedule *s, uint64_t now_ns)
{
	uint64_t due_ns = ping_schedule_due_ns(s);
	uint64_t late = now_ns > due_ns ? (now_ns - due_ns) / s->interval_ns : 0;
	uint64_t left = s->count - s->taken, skipped = late < left ? late : left;

	s->taken += skipped;
	return skipped;
}
