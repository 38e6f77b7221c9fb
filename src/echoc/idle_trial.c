#include "idle_trial.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "round_trip.h"
#include "socket.h"

#define MS_NS UINT64_C(1000000)

void idle_trial_init(struct idle_trial *t, uint64_t idle_ms)
{
	*t = (struct idle_trial){.idle_ms = idle_ms, .channel.fd = -1};
}

/* Sends the few bytes. Returns 0 or a negative errno. */
static int ask(struct idle_trial *t)
{
	t->came = 0;
	if (getrandom(t->sent, sizeof(t->sent), 0) != sizeof(t->sent))
		return -EIO;
	ssize_t n = channel_send(&t->channel, t->sent, sizeof(t->sent));
	if (n < 0)
		return (int)n;
	return n == sizeof(t->sent) ? 0 : -EIO; /* nothing is under way that could fill the buffer */
}

static void enter(struct idle_trial *t, enum idle_trial_state state, uint64_t now_ns)
{
	t->state = state;
	t->since_ns = now_ns;
}

void idle_trial_begin(struct idle_trial *t, const struct channel *c, uint64_t now_ns)
{
	t->channel = *c;
	socket_set_keepalive(c->fd, 0);
	enter(t, IDLE_TRIAL_BEGINS, now_ns);
	(void)ask(t); /* where it fails, the end of the connection is seen */
}

void idle_trial_end(struct idle_trial *t)
{
	if (idle_trial_stands(t)) {
		(void)!channel_end(&t->channel);
		channel_close(&t->channel);
	}
	t->state = IDLE_TRIAL_OVER;
}

/* Ends it where nobody would hear: the kernel would go on sending for minutes. */
static void abandon(struct idle_trial *t)
{
	struct linger at_once = {.l_onoff = 1, .l_linger = 0};

	(void)setsockopt(t->channel.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	channel_close(&t->channel);
	t->state = IDLE_TRIAL_OVER;
}

bool idle_trial_stands(const struct idle_trial *t)
{
	return t->channel.fd >= 0;
}

uint64_t idle_trial_due_ns(const struct idle_trial *t)
{
	switch (t->state) {
	case IDLE_TRIAL_BEGINS: return t->since_ns + ROUND_TRIP_MS * MS_NS;
	case IDLE_TRIAL_IDLES: return t->since_ns + t->idle_ms * MS_NS;
	case IDLE_TRIAL_ASKS: return t->since_ns + idle_search_answer_ms(t->idled_ms) * MS_NS;
	case IDLE_TRIAL_WAITS:
	case IDLE_TRIAL_OVER: break;
	}
	return UINT64_MAX;
}

static enum idle_outcome outcome_of(int err)
{
	if (err == 0 || err == -EPIPE || err == CHANNEL_TRUNCATED)
		return IDLE_CUT_FIN;
	return err == -ECONNRESET ? IDLE_CUT_RESET : IDLE_CUT_SILENT;
}

/* The connection has ended, with err or, where it is 0, with a FIN. */
static enum idle_trial_event end_of(struct idle_trial *t, int err, uint64_t now_ns, bool on_time,
                                    struct idle_finding *finding)
{
	enum idle_trial_state state = t->state;

	channel_close(&t->channel);
	if (err == CHANNEL_FAILED)
		return IDLE_TRIAL_BROKEN;
	if (state == IDLE_TRIAL_BEGINS) {
		t->state = IDLE_TRIAL_WAITS;
		return IDLE_TRIAL_LOST;
	}
	t->state = IDLE_TRIAL_OVER;
	*finding = (struct idle_finding){.outcome = outcome_of(err), .idle_ms = t->idled_ms};
	if (state == IDLE_TRIAL_IDLES) {
		finding->idle_ms = (now_ns - t->since_ns) / MS_NS;
		finding->exact = on_time && finding->outcome != IDLE_CUT_SILENT;
	}
	return IDLE_TRIAL_FOUND;
}

/* All that was sent has come back. */
static enum idle_trial_event come_back(struct idle_trial *t, uint64_t now_ns, struct idle_finding *finding)
{
	if (t->state == IDLE_TRIAL_BEGINS) {
		enter(t, IDLE_TRIAL_IDLES, now_ns);
		return IDLE_TRIAL_GOES_ON;
	}
	*finding = (struct idle_finding){.outcome = IDLE_SURVIVED, .idle_ms = t->idled_ms};
	idle_trial_end(t);
	return IDLE_TRIAL_FOUND;
}

/* Its time is over. */
static enum idle_trial_event be_late(struct idle_trial *t, uint64_t now_ns, struct idle_finding *finding)
{
	if (t->state == IDLE_TRIAL_IDLES) {
		t->idled_ms = (now_ns - t->since_ns) / MS_NS;
		enter(t, IDLE_TRIAL_ASKS, now_ns);
		int err = ask(t);
		return err ? end_of(t, err, now_ns, false, finding) : IDLE_TRIAL_GOES_ON;
	}
	bool begins = t->state == IDLE_TRIAL_BEGINS;
	abandon(t);
	if (begins) {
		t->state = IDLE_TRIAL_WAITS;
		return IDLE_TRIAL_LOST;
	}
	*finding = (struct idle_finding){.outcome = IDLE_CUT_SILENT, .idle_ms = t->idled_ms};
	return IDLE_TRIAL_FOUND;
}

enum idle_trial_event idle_trial_step(struct idle_trial *t, uint64_t now_ns, bool on_time, struct idle_finding *finding)
{
	uint8_t came[IDLE_TRIAL_BYTES];

	if (!idle_trial_stands(t))
		return IDLE_TRIAL_GOES_ON;
	ssize_t n = channel_receive(&t->channel, came, sizeof(came));
	if (n == -EAGAIN)
		return now_ns < idle_trial_due_ns(t) ? IDLE_TRIAL_GOES_ON : be_late(t, now_ns, finding);
	if (n <= 0)
		return end_of(t, (int)n, now_ns, on_time, finding);
	size_t missing = t->state == IDLE_TRIAL_IDLES ? 0 : sizeof(t->sent) - t->came;
	if ((size_t)n > missing || memcmp(came, t->sent + t->came, (size_t)n) != 0)
		return IDLE_TRIAL_DAMAGED;
	t->came += (size_t)n;
	return t->came == sizeof(t->sent) ? come_back(t, now_ns, finding) : IDLE_TRIAL_GOES_ON;
}
