#include "ping_options.h"

#include "program.h"
#include "status.h"
#include "words.h"

#define SIZE 64

const char ping_options_help[] =
    N_("echoc ping ADDRESS sends a probe each interval and compares every byte that comes back:\n"
       "  -i, --interval TIME   between probes (1s)\n"
       "  -c, --count N         so many probes, then the summary; without it until Ctrl-C\n"
       "  -s, --size BYTES      of a probe, 16 to 65536 (64)\n"
       "  -w, --deadline TIME   end after so long\n"
       "  -W, --late TIME       an answer later than this is late, and the path has stalled (1s)\n"
       "  --redial TIME         connect anew when the path has stalled for so long (10s)\n"
       "  -D, --timestamps      the time of day before each line\n"
       "  --plain               a line for each probe, and no chart, on a terminal too\n");

void ping_options_init(struct ping_options *o)
{
	*o = (struct ping_options){
	    .interval_ms = PING_INTERVAL_MS, .size = SIZE, .late_ms = PING_LATE_MS, .redial_ms = PING_REDIAL_MS};
}

void ping_options_take(struct ping_options *o, enum option_value option, const char *value)
{
	switch (option) {
	case OPTION_INTERVAL: o->interval_ms = program_duration_ms(ECHOC, "--interval", value); break;
	case OPTION_COUNT: o->count = program_number(ECHOC, "--count", value, 1, UINT32_MAX); break;
	case OPTION_SIZE: o->size = program_number(ECHOC, "--size", value, PING_SIZE_MIN, PING_SIZE_MAX); break;
	case OPTION_DEADLINE: o->deadline_ms = program_duration_ms(ECHOC, "--deadline", value); break;
	case OPTION_LATE: o->late_ms = program_duration_ms(ECHOC, "--late", value); break;
	case OPTION_REDIAL: o->redial_ms = program_duration_ms(ECHOC, "--redial", value); break;
	case OPTION_TIMESTAMPS: o->timestamps = true; break;
	default: break; /* not of ping */
	}
}

void ping_options_check(const struct ping_options *o)
{
	if (o->interval_ms == 0)
		program_usage(ECHOC, _("--interval: probes need some time between them, 1ms at least."));
	if (o->late_ms == 0)
		program_usage(ECHOC, _("--late: every answer would be late: give some time, like 1s."));
	if (o->redial_ms && o->redial_ms < o->late_ms)
		program_usage(ECHOC,
		              _("--redial is shorter than --late: give it as much at least, or off to never redial."));
}
