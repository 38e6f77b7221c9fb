/* What the loop itself costs: turns with one and with many ready sources, and deadlines armed and disarmed. */
#include <stdbool.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "loop.h"
#include "micro.h"

#define MANY 64

struct ticker {
	struct loop_source source;
	struct loop *loop;
	uint64_t *left;
};

/* The descriptor is left ready, so each turn hands up all of them and costs nothing but the loop. */
static void ready(struct loop_source *source, uint32_t events)
{
	struct ticker *t = container_of(source, struct ticker, source);

	(void)events;
	if (--*t->left == 0)
		loop_stop(t->loop);
}

static void time_events(const char *name, unsigned sources, uint64_t count)
{
	static struct loop loop;
	struct ticker ticker[MANY];
	uint64_t left = count;

	if (loop_init(&loop) < 0)
		exit(1);
	for (unsigned i = 0; i < sources; i++) {
		ticker[i] = (struct ticker){.source = {eventfd(1, EFD_CLOEXEC), ready}, .loop = &loop, .left = &left};
		if (ticker[i].source.fd < 0 || loop_add(&loop, &ticker[i].source, EPOLLIN) < 0)
			exit(1);
	}
	uint64_t begin_ns = micro_now_ns();
	if (loop_run(&loop) < 0)
		exit(1);
	micro_report(name, begin_ns, count);
	for (unsigned i = 0; i < sources; i++)
		close(ticker[i].source.fd);
	loop_fini(&loop);
}

static void expired(struct deadline *d)
{
	(void)d;
}

static void time_deadlines(uint64_t count)
{
	static struct deadline_wheel wheel;
	static struct deadline deadline[MANY];

	deadline_wheel_init(&wheel, 0);
	for (unsigned i = 0; i < MANY; i++)
		deadline_init(&deadline[i], expired);
	uint64_t begin_ns = micro_now_ns();
	for (uint64_t i = 0; i < count; i++)
		deadline_arm(&wheel, &deadline[i % MANY], 30000 + i % 65536);
	micro_report("deadline_arm", begin_ns, count);
}

int main(int argc, char **argv)
{
	uint64_t count = micro_count(argc, argv, 2000000);

	if (micro_wants(argc, argv, "loop_event_alone"))
		time_events("loop_event_alone", 1, count);
	if (micro_wants(argc, argv, "loop_event_of_64"))
		time_events("loop_event_of_64", MANY, count);
	if (micro_wants(argc, argv, "deadline_arm"))
		time_deadlines(count);
	return 0;
}
