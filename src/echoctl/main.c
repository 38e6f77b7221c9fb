#include <string.h>

#include "options.h"
#include "program.h"
#include "report.h"
#include "running.h"
#include "user.h"
#include "words.h"

int main(int argc, char **argv)
{
	struct options options;
	int status;

	words_init();
	program_fix_descriptors_but_output();
	program_keep_secrets();
	if (!options_parse(&options, argc, argv, &status))
		return status;
	if (options.words == 0)
		return report_usage(options.json,
		                    _("Say what is to be done: user, status, drain, reload, revoke or penalties."));
	if (strcmp(options.word[0], "user") == 0)
		return user_run(&options);
	if (running_is_meant(&options))
		return running_run(&options);
	return report_usage(options.json, _("There is no command '%.100s'."), options.word[0]);
}
