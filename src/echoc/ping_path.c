#include "ping_path.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "ping_pattern.h"
#include "words.h"

#define MS_NS        UINT64_C(1000000)
#define PACE_MS      50   /* between tries that fail at once: so near an outage's length is right, */
#define PACE_PARTS   200  /* or to this part of it, */
#define PACE_MOST_MS 1000 /* so that a long one costs the path little */
#define LIMIT_PARTS  10   /* of the outage so far, that a try may take where nothing answers */

static void tell(const struct ping_path *p, const struct ping_event *event)
{
	p->listener.tell(p->listener.who, event);
}

static struct ping_probe *probe_at(const struct ping_path *p, size_t i)
{
	return &p->probes[(p->probes_first + i) % p->probes_max];
}

int ping_path_open(struct ping_path *p, struct reach *reach, const struct channel *channel,
                   const struct ping_listener *listener)
{
	*p = (struct ping_path){.options = &reach->options->ping, .listener = *listener, .exchange.channel.fd = -1};
	p->dial.ended = -1;
	p->probes_max = EXCHANGE_WINDOW / p->options->size;
	p->probes = calloc(p->probes_max, sizeof(*p->probes));
	int err = p->probes ? exchange_init(&p->exchange) : -ENOMEM;
	if (!err)
		err = reach_thread_init(&p->dial, reach);
	if (err) {
		ping_path_close(p);
		return err;
	}
	exchange_attach(&p->exchange, channel);
	p->progress_ns = clock_now_ns();
	p->state = PING_UP;
	return 0;
}

void ping_path_close(struct ping_path *p)
{
	exchange_fini(&p->exchange);
	if (p->dial.ended >= 0)
		reach_thread_fini(&p->dial);
	free(p->probes);
	p->probes = NULL;
}

/* ---- sending ---- */

bool ping_path_can_send(const struct ping_path *p)
{
	return p->state != PING_DOWN && p->probes_count < p->probes_max &&
	       exchange_room(&p->exchange) >= p->options->size;
}

/* The probe's bytes, put into the window in its two pieces at most. */
static void fill(struct ping_path *p, uint64_t seq)
{
	size_t done = 0;

	while (done < p->options->size) {
		uint8_t *at;
		size_t room = exchange_room_at(&p->exchange, &at), left = p->options->size - done;
		size_t n = room < left ? room : left;
		ping_pattern_fill(seq, done, at, n);
		exchange_filled(&p->exchange, n);
		done += n;
	}
}

void ping_path_send(struct ping_path *p, uint64_t seq, uint64_t late_own_ns)
{
	struct ping_probe *probe = probe_at(p, p->probes_count++);

	fill(p, seq);
	*probe = (struct ping_probe){.seq = seq, .end = p->exchange.filled, .late_own_ns = late_own_ns};
	p->wants_probe = false;
	probe->sent_us = clock_wall_us();
	probe->sent_ns = clock_now_ns();
	ping_path_step(p, 0);
	tell(p, &(struct ping_event){.kind = PING_SENT, .at_ns = probe->sent_ns, .probe = probe});
}

void ping_path_leave_out(struct ping_path *p, const struct ping_probe *probe)
{
	p->not_sent++;
	tell(p, &(struct ping_event){.kind = PING_NOT_SENT, .at_ns = clock_now_ns(), .probe = probe, .count = 1});
}

/* ---- losing the connection and coming back ---- */

static void end_stall(struct ping_path *p, uint64_t now_ns)
{
	if (p->stall_ns)
		tell(p,
		     &(struct ping_event){.kind = PING_STALL_END, .at_ns = now_ns, .length_ns = now_ns - p->stall_ns});
	p->stall_ns = 0;
}

static uint64_t pace_ns(const struct ping_path *p, uint64_t now_ns)
{
	uint64_t ns = (now_ns - p->outage_ns) / PACE_PARTS;

	if (ns < PACE_MS * MS_NS)
		return PACE_MS * MS_NS;
	return ns < PACE_MOST_MS * MS_NS ? ns : PACE_MOST_MS * MS_NS;
}

/* At once; but a server that hangs up again and again is gone to once in an interval, as it would be without it. */
static uint64_t first_dial_ns(const struct ping_path *p, uint64_t now_ns)
{
	uint64_t ms = p->options->interval_ms, least_ms = ms < PACE_MS        ? PACE_MS
	                                                  : ms < PACE_MOST_MS ? ms
	                                                                      : PACE_MOST_MS;

	return p->dial_ns && p->dial_ns + least_ms * MS_NS > now_ns ? p->dial_ns + least_ms * MS_NS : now_ns;
}

static void dial_after_backoff(struct ping_path *p, uint64_t now_ns)
{
	p->next_dial_ns = now_ns + backoff_next_ms(&p->dial.reach->backoff) * MS_NS;
}

/* The connection is done with; what is in the air will be sent again. */
static void detach(struct ping_path *p)
{
	if (p->state != PING_DOWN) {
		kernel_view_read(&p->kernel, p->exchange.channel.fd);
		kernel_view_next(&p->kernel);
	}
	exchange_detach(&p->exchange);
	for (size_t i = 0; i < p->probes_count; i++)
		probe_at(p, i)->resent = true;
	p->state = PING_DOWN;
	p->wants_probe = false;
}

static void begin_outage(struct ping_path *p, uint64_t since_ns)
{
	p->outage_ns = since_ns;
	p->not_sent = 0;
	p->told_trouble = 0;
}

/* Why there is no connection yet; what names the trouble: the same is not told again and again. */
static void tell_trouble(struct ping_path *p, uint64_t now_ns, unsigned what, const char *sentence)
{
	if (what != p->told_trouble)
		tell(p, &(struct ping_event){.kind = PING_REDIAL_FAILED,
		                             .at_ns = now_ns,
		                             .length_ns = now_ns - p->outage_ns,
		                             .text = sentence});
	p->told_trouble = what;
}

/* The connection is lost; text: how, a clause that names the address. */
static void lose(struct ping_path *p, uint64_t now_ns, uint64_t since_ns, const char *text)
{
	detach(p);
	if (p->outage_ns) {
		tell_trouble(p, now_ns, UINT32_MAX, text);
		p->next_dial_ns = p->dial_ns + pace_ns(p, now_ns);
		return;
	}
	begin_outage(p, since_ns);
	p->next_dial_ns = first_dial_ns(p, now_ns);
	tell(p, &(struct ping_event){.kind = PING_DROP,
	                             .at_ns = now_ns,
	                             .began_ns = since_ns,
	                             .bytes = exchange_missing(&p->exchange),
	                             .text = text});
}

static void drop(struct ping_path *p, uint64_t now_ns)
{
	char text[EXCHANGE_TEXT_MAX];

	exchange_describe_end(&p->exchange, p->dial.reach->where, text, sizeof(text));
	end_stall(p, now_ns);
	lose(p, now_ns, now_ns, text);
}

/* What is between the peers cannot be trusted any more: nothing is worth another try. */
static void fail(struct ping_path *p, uint64_t now_ns)
{
	char text[EXCHANGE_TEXT_MAX];

	exchange_describe_end(&p->exchange, p->dial.reach->where, text, sizeof(text));
	snprintf(p->why, sizeof(p->why), _("%s: what lies on the way changes bytes, or the server is broken"), text);
	p->status = STATUS_NO_SECRET;
	p->over = true;
	lose(p, now_ns, now_ns, text);
}

/* Bytes are not as they were sent: the probe that they are in is given up, and what follows is sent anew. */
static void damage(struct ping_path *p, uint64_t now_ns)
{
	struct ping_event event = {.kind = PING_DAMAGED, .at_ns = now_ns, .offset = p->exchange.echoed};
	struct ping_probe probe;
	char text[EXCHANGE_TEXT_MAX];

	exchange_describe_damage(&p->exchange, text, sizeof(text));
	event.text = text;
	end_stall(p, now_ns);
	detach(p);
	p->renewal_ns = now_ns;
	if (p->probes_count > 0) {
		probe = *probe_at(p, 0);
		event.probe = &probe;
		p->probes_first = (p->probes_first + 1) % p->probes_max;
		p->probes_count--;
		exchange_skip(&p->exchange, (size_t)(probe.end - p->exchange.echoed));
	}
	if (p->damaged) /* again, before anything came back as it should */
		dial_after_backoff(p, now_ns);
	else
		p->next_dial_ns = now_ns;
	p->damaged = true;
	tell(p, &event);
}

/* After damage the new connection is no end of an outage. */
static void renew(struct ping_path *p, uint64_t now_ns)
{
	p->state = PING_UP;
	tell(p, &(struct ping_event){.kind = PING_RENEWED, .at_ns = now_ns, .length_ns = now_ns - p->renewal_ns});
}

static void attach(struct ping_path *p, uint64_t now_ns)
{
	const struct reach *r = p->dial.reach;

	exchange_attach(&p->exchange, &p->dial.channel);
	if (r->registered)
		tell(p, &(struct ping_event){.kind = PING_REGISTERED, .at_ns = now_ns, .text = r->shown_user});
	p->progress_ns = now_ns;
	p->state = PING_ON_TRIAL;
	if (p->outage_ns)
		p->wants_probe = exchange_missing(&p->exchange) == 0;
	else
		renew(p, now_ns);
}

/* When to try again: soon where it costs little and tells when the path is back, else as everywhere. */
static void plan_dial(struct ping_path *p, uint64_t now_ns)
{
	bool is_reach = p->dial.trouble.kind == TROUBLE_REACH;

	if (is_reach && p->dial.reach->phase == PHASE_TCP)
		p->next_dial_ns = p->dial_ns + pace_ns(p, now_ns);
	else if (is_reach && p->dial.reach->phase == PHASE_LOOKUP)
		p->next_dial_ns = p->dial_ns + PACE_MOST_MS * MS_NS; /* name servers are not ours to press */
	else
		dial_after_backoff(p, now_ns);
}

/* A try has ended without a connection. */
static void note_trouble(struct ping_path *p, uint64_t now_ns)
{
	const struct trouble *t = &p->dial.trouble;

	if (!p->outage_ns)
		begin_outage(p, p->renewal_ns);
	if (t->kind == TROUBLE_FINAL) {
		explain_whole(t, p->why, sizeof(p->why));
		p->status = t->status;
		p->over = true;
	}
	tell_trouble(p, now_ns, 1 + (unsigned)t->kind * PHASES + (unsigned)p->dial.reach->phase, t->sentence);
	plan_dial(p, now_ns);
}

static void begin_dial(struct ping_path *p, uint64_t now_ns)
{
	uint64_t out_ns = p->outage_ns ? now_ns - p->outage_ns : 0;

	p->dial_ns = now_ns;
	if (reach_thread_begin(&p->dial, out_ns / LIMIT_PARTS / MS_NS))
		p->next_dial_ns = now_ns + PACE_MOST_MS * MS_NS; /* no thread to be had for the moment */
}

/* ---- receiving ---- */

static void note_back(struct ping_path *p, uint64_t now_ns)
{
	struct ping_event event = {.kind = PING_BACK,
	                           .at_ns = now_ns,
	                           .began_ns = p->outage_ns,
	                           .length_ns = now_ns - p->outage_ns,
	                           .count = p->not_sent};

	p->state = PING_UP;
	p->outage_ns = 0;
	p->not_sent = 0;
	tell(p, &event);
}

/* Bytes came back: what they end, and which probes are whole. */
static void progress(struct ping_path *p, uint64_t now_ns)
{
	const struct ping_options *o = p->options;

	p->progress_ns = now_ns;
	reach_progress(p->dial.reach);
	if (p->state == PING_ON_TRIAL)
		note_back(p, now_ns);
	end_stall(p, now_ns);
	exchange_taken(&p->exchange, (size_t)(p->exchange.echoed - p->exchange.taken));
	while (p->probes_count > 0 && probe_at(p, 0)->end <= p->exchange.echoed) {
		const struct ping_probe *probe = probe_at(p, 0);
		uint64_t ns = now_ns - probe->sent_ns;
		p->probes_first = (p->probes_first + 1) % p->probes_max;
		p->probes_count--;
		p->damaged = false;
		tell(p, &(struct ping_event){.kind = PING_ECHOED,
		                             .at_ns = now_ns,
		                             .probe = probe,
		                             .length_ns = ns,
		                             .late = ns > o->late_ms * MS_NS});
	}
}

int ping_path_fd(const struct ping_path *p)
{
	if (p->dial.under_way)
		return p->dial.ended;
	return p->state == PING_DOWN ? -1 : p->exchange.channel.fd;
}

short ping_path_events(const struct ping_path *p)
{
	if (p->state == PING_DOWN)
		return POLLIN;
	return exchange_events(&p->exchange);
}

bool ping_path_pending(const struct ping_path *p)
{
	return p->state != PING_DOWN && exchange_pending(&p->exchange);
}

static void end_dial(struct ping_path *p)
{
	reach_thread_end(&p->dial);
	if (p->dial.reached)
		attach(p, clock_now_ns());
	else
		note_trouble(p, clock_now_ns());
}

void ping_path_step(struct ping_path *p, short revents)
{
	uint64_t before = p->exchange.echoed;

	if (p->state == PING_DOWN) {
		if (revents)
			end_dial(p);
		return;
	}
	enum exchange_result result = exchange_step(&p->exchange, revents);
	uint64_t now_ns = clock_now_ns();
	if (p->exchange.echoed > before)
		progress(p, now_ns);
	switch (result) {
	case EXCHANGE_GOES_ON: break;
	case EXCHANGE_DONE: /* which is for who half-closes */
	case EXCHANGE_DROPPED: drop(p, now_ns); break;
	case EXCHANGE_DAMAGED: damage(p, now_ns); break;
	case EXCHANGE_FAILED: fail(p, now_ns); break;
	}
}

/* ---- time ---- */

/* Since when an answer is awaited in vain. */
static uint64_t waiting_since(const struct ping_path *p)
{
	uint64_t sent_ns = probe_at(p, 0)->sent_ns;

	return sent_ns > p->progress_ns ? sent_ns : p->progress_ns;
}

static bool is_waiting(const struct ping_path *p)
{
	return p->state != PING_DOWN && p->probes_count > 0;
}

static void look_for_stall(struct ping_path *p, uint64_t now_ns)
{
	uint64_t since = waiting_since(p), ns = now_ns > since ? now_ns - since : 0;
	char text[EXCHANGE_TEXT_MAX];

	if (!p->stall_ns && !p->outage_ns && ns >= p->options->late_ms * MS_NS) {
		p->stall_ns = since;
		tell(p, &(struct ping_event){
		            .kind = PING_STALL, .at_ns = now_ns, .probe = probe_at(p, 0), .length_ns = ns});
	}
	if (p->options->redial_ms && ns >= p->options->redial_ms * MS_NS) {
		p->stall_ns = 0; /* it is the outage's time from here on */
		snprintf(text, sizeof(text), _("%s has stalled"), p->dial.reach->where);
		lose(p, now_ns, since, text);
	}
}

void ping_path_tick(struct ping_path *p, uint64_t now_ns)
{
	if (is_waiting(p))
		look_for_stall(p, now_ns);
	if (p->state == PING_DOWN && !p->dial.under_way && !p->over && now_ns >= p->next_dial_ns)
		begin_dial(p, now_ns);
}

uint64_t ping_path_due_ns(const struct ping_path *p)
{
	if (p->state == PING_DOWN)
		return p->dial.under_way || p->over ? UINT64_MAX : p->next_dial_ns;
	if (!is_waiting(p))
		return UINT64_MAX;
	if (!p->stall_ns && !p->outage_ns)
		return waiting_since(p) + p->options->late_ms * MS_NS;
	return p->options->redial_ms ? waiting_since(p) + p->options->redial_ms * MS_NS : UINT64_MAX;
}

void ping_path_give_up(struct ping_path *p, bool all_lost)
{
	uint64_t now_ns = clock_now_ns();

	if (p->state != PING_DOWN)
		kernel_view_read(&p->kernel, p->exchange.channel.fd);
	for (; p->probes_count > 0; p->probes_count--) {
		const struct ping_probe *probe = probe_at(p, 0);
		bool is_lost = all_lost || p->outage_ns || now_ns - probe->sent_ns > p->options->late_ms * MS_NS;
		tell(p,
		     &(struct ping_event){.kind = is_lost ? PING_LOST : PING_CUT_OFF, .at_ns = now_ns, .probe = probe});
		p->probes_first = (p->probes_first + 1) % p->probes_max;
	}
}
