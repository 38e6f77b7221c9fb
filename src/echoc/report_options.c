#include "report_options.h"

#include <stddef.h>

#include "program.h"
#include "status.h"
#include "words.h"

const char report_options_help[] =
    N_("echoc report FILE... makes a page with charts of what ping and load have printed with --json or\n"
       "--json-stream; several files are compared, and - is standard input:\n"
       "  --html                a page of its own, that needs nothing else (the default, but to a terminal)\n"
       "  --text                the numbers as text\n"
       "  --hgrm                the percentiles as HdrHistogram's plotter takes them\n"
       "  -o, --output FILE     write it there instead of to standard output\n");

void report_options_init(struct report_options *o)
{
	*o = (struct report_options){.format = REPORT_UNTOLD};
}

static void set_format(struct report_options *o, enum report_format format)
{
	if (o->format != REPORT_UNTOLD && o->format != format)
		program_usage(ECHOC, _("--html, --text and --hgrm exclude each other: give one of them."));
	o->format = format;
}

void report_options_take(struct report_options *o, enum option_value option, const char *value)
{
	switch (option) {
	case OPTION_HTML: set_format(o, REPORT_HTML); break;
	case OPTION_TEXT: set_format(o, REPORT_TEXT); break;
	case OPTION_HGRM: set_format(o, REPORT_HGRM); break;
	case OPTION_OUTPUT: o->output = value; break;
	default: break; /* not of report */
	}
}

void report_options_check(const struct report_options *o)
{
	if (o->format == REPORT_HGRM && o->file_count > 1)
		program_usage(ECHOC, _("--hgrm takes one FILE: its plotter wants one for each run."));
	if (o->file_count == 0)
		program_usage(ECHOC, _("report wants the FILE that ping or load has written with --json-stream."));
}
