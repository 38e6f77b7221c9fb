#include "idle_options.h"

#include "idle_search.h"
#include "program.h"
#include "status.h"
#include "words.h"

/* Balancers and NATs cut between a minute and an hour; 350 s and 4 to 15 min are the usual ones (users' reports). */
#define MIN_MS        1000
#define MAX_MS        (15 * 60 * 1000)
#define CONNECTIONS   8
#define RESOLUTION_MS 1000
#define LEAST_MS      100 /* connections are late by some milliseconds, and a cut takes some to be seen */

const char idle_options_help[] =
    N_("echoc idle ADDRESS finds out after how many idle seconds something on the path cuts a connection:\n"
       "  --min TIME            shorter than this is not looked at (1s)\n"
       "  --max TIME            nor is longer (15m)\n"
       "  --connections N       connections side by side (8)\n"
       "  --resolution TIME     how near the answer is to be (1s)\n");

void idle_options_init(struct idle_options *o)
{
	*o = (struct idle_options){
	    .min_ms = MIN_MS, .max_ms = MAX_MS, .connections = CONNECTIONS, .resolution_ms = RESOLUTION_MS};
}

void idle_options_take(struct idle_options *o, enum option_value option, const char *value)
{
	switch (option) {
	case OPTION_MIN: o->min_ms = program_duration_ms(ECHOC, "--min", value); break;
	case OPTION_MAX: o->max_ms = program_duration_ms(ECHOC, "--max", value); break;
	case OPTION_CONNECTIONS:
		o->connections = program_number(ECHOC, "--connections", value, 1, IDLE_CONNECTIONS_MAX);
		break;
	case OPTION_RESOLUTION: o->resolution_ms = program_duration_ms(ECHOC, "--resolution", value); break;
	default: break; /* not of idle */
	}
}

void idle_options_check(const struct idle_options *o)
{
	if (o->min_ms < LEAST_MS)
		program_usage(ECHOC, _("--min: give %dms at least."), LEAST_MS);
	if (o->min_ms >= o->max_ms)
		program_usage(ECHOC, _("--min is not below --max: nothing lies between them."));
	if (o->resolution_ms < LEAST_MS)
		program_usage(ECHOC, _("--resolution: it takes some time to see a cut, %dms at least."), LEAST_MS);
}
