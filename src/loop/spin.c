#include "spin.h"

#include "clock.h"

#define CREDIT     4   /* spins in vain before it sleeps at once, once one has paid */
#define WANTED_MAX 256 /* short sleeps before it tries again: vain tries cost less than a hundredth of them */
#define MS_NS      UINT64_C(1000000)

/*
 * A sleep shorter than this many spins might have been a spin that pays: what is slept includes what the two ends take
 * to wake, which no longer passes when this one does not sleep (54 us a round trip asleep, 20 us awake: measured).
 */
#define SHORT_SPINS 2

void spin_init(struct spin *s, uint64_t most_ns)
{
	*s = (struct spin){.most_ns = most_ns, .wanted = 1};
}

bool spin_wants(const struct spin *s)
{
	return s->credit > 0;
}

void spin_ended(struct spin *s, bool found)
{
	if (found) {
		s->credit = CREDIT;
		s->wanted = 1;
	} else if (--s->credit == 0 && s->wanted < WANTED_MAX) {
		s->wanted *= 2;
	}
}

void spin_slept(struct spin *s, uint64_t slept_ns)
{
	if (slept_ns >= SHORT_SPINS * s->most_ns)
		return;
	if (++s->showing < s->wanted)
		return;
	s->showing = 0;
	s->credit = 1;
}

/* Asks until there is something, or until_ns has come. Returns what epoll_wait does. */
static int spin(struct spin *s, int epoll, struct epoll_event *events, int most, uint64_t until_ns)
{
	int n;

	do
		n = epoll_wait(epoll, events, most, 0);
	while (n == 0 && clock_now_ns() < until_ns);
	spin_ended(s, n > 0);
	return n;
}

int spin_wait(struct spin *s, int epoll, struct epoll_event *events, int most, int wait_ms)
{
	uint64_t began_ns = clock_now_ns(), spun_ns = s->most_ns;
	bool spins = spin_wants(s);

	if (spins) {
		if (wait_ms > 0 && (uint64_t)wait_ms * MS_NS < spun_ns)
			spun_ns = (uint64_t)wait_ms * MS_NS;
		int n = spin(s, epoll, events, most, began_ns + spun_ns);
		if (n != 0)
			return n;
		if (wait_ms > 0)
			wait_ms -= (int)(spun_ns / MS_NS);
	}
	int n = epoll_wait(epoll, events, most, wait_ms);
	if (n > 0 && !spins) /* what is slept behind a vain spin shows nothing */
		spin_slept(s, clock_now_ns() - began_ns);
	return n;
}
