#include "load_options.h"

#include <string.h>
#include <sys/random.h>

#include "number.h"
#include "program.h"
#include "status.h"
#include "text.h"
#include "words.h"

#define CONNECTIONS   50
#define SIZE          64
#define WARM_UP_MS    1000
#define DURATION_MS   10000
#define THREADS_MAX   256
#define RATE_MAX      1000000000 /* a message a nanosecond */
#define IN_FLIGHT_MAX 65536
#define SIZE_TEXT_MAX 64

const char load_options_help[] =
    N_("echoc load ADDRESS sends messages over many connections, checks every byte and measures:\n"
       "  --connections N       connections at once (50)\n"
       "  --rate R              open loop: so many messages a second in all, each timed from when it was due\n"
       "  --in-flight N         closed loop: messages under way on each connection (1)\n"
       "  --size BYTES          of a message, 1 to 1M (64); MIN-MAX for random ones; k and M are 1024s\n"
       "  --seed N              of the random sizes\n"
       "  --threads N           threads that share the connections (1)\n"
       "  --ramp TIME           open the connections spread over so long\n"
       "  --warm-up TIME        traffic that is not measured yet (1s)\n"
       "  --duration TIME       of the measurement (10s)\n"
       "  --messages N          so many on a connection, then close it and connect anew\n");

void load_options_init(struct load_options *o)
{
	*o = (struct load_options){.connections = CONNECTIONS,
	                           .threads = 1,
	                           .size_min = SIZE,
	                           .size_max = SIZE,
	                           .warm_up_ms = WARM_UP_MS,
	                           .duration_ms = DURATION_MS};
	if (getrandom(&o->seed, sizeof(o->seed), 0) < 0)
		o->seed = 1;
	o->seed >>= 32; /* short enough to be typed again, and exact in JSON */
}

/* Bytes with an optional k or M. text is changed. */
static bool parse_bytes(char *text, uint64_t *out)
{
	size_t len = strlen(text);
	uint64_t unit = 1;

	if (len > 1 && strchr("kKmM", text[len - 1])) {
		unit = strchr("kK", text[len - 1]) ? 1024 : 1024 * 1024;
		text[len - 1] = '\0';
	}
	if (number_parse(text, 1, LOAD_SIZE_MAX / unit, out))
		return false;
	*out *= unit;
	return true;
}

static void take_size(struct load_options *o, const char *value)
{
	char text[SIZE_TEXT_MAX];
	bool good = text_copy(text, sizeof(text), value);
	char *dash = strchr(text, '-');

	if (dash)
		*dash++ = '\0';
	good = good && parse_bytes(text, &o->size_min);
	o->size_max = o->size_min;
	if (good && dash)
		good = parse_bytes(dash, &o->size_max) && o->size_min <= o->size_max;
	if (!good)
		program_usage(ECHOC,
		              _("--size '%s': give bytes from 1 to 1M, like 64 or 4k, or two of them, like 64-4k."),
		              value);
}

void load_options_take(struct load_options *o, enum option_value option, const char *value)
{
	switch (option) {
	case OPTION_CONNECTIONS:
		o->connections = program_number(ECHOC, "--connections", value, 1, LOAD_CONNECTIONS_MAX);
		break;
	case OPTION_RATE: o->rate = program_number(ECHOC, "--rate", value, 1, RATE_MAX); break;
	case OPTION_IN_FLIGHT: o->in_flight = program_number(ECHOC, "--in-flight", value, 1, IN_FLIGHT_MAX); break;
	case OPTION_SIZE: take_size(o, value); break;
	case OPTION_SEED: o->seed = program_number(ECHOC, "--seed", value, 0, INT64_MAX); break;
	case OPTION_THREADS: o->threads = program_number(ECHOC, "--threads", value, 1, THREADS_MAX); break;
	case OPTION_RAMP: o->ramp_ms = program_duration_ms(ECHOC, "--ramp", value); break;
	case OPTION_WARM_UP: o->warm_up_ms = program_duration_ms(ECHOC, "--warm-up", value); break;
	case OPTION_DURATION: o->duration_ms = program_duration_ms(ECHOC, "--duration", value); break;
	case OPTION_MESSAGES: o->messages = program_number(ECHOC, "--messages", value, 1, UINT32_MAX); break;
	default: break; /* not of the load */
	}
}

void load_options_check(struct load_options *o)
{
	if (o->rate && o->in_flight)
		program_usage(
		    ECHOC, _("--rate sends when a message is due, whatever is under way, so --in-flight says nothing "
		             "beside it: leave one of them out."));
	if (o->threads > o->connections)
		program_usage(ECHOC, _("--threads %llu is more than there are connections (%llu): give fewer."),
		              (unsigned long long)o->threads, (unsigned long long)o->connections);
	if (o->duration_ms == 0)
		program_usage(ECHOC, _("--duration: a measurement has to take some time, like 10s."));
	if (!o->rate && !o->in_flight)
		o->in_flight = 1;
}
