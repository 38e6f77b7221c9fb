/* echod: the parent. See ARCHITECTURE.md for the house. */
#include <stdlib.h>
#include <linux/close_range.h>
#include <sys/stat.h>
#include <unistd.h>

#include "program.h"
#include "run.h"
#include "words.h"

int main(int argc, char **argv)
{
	static struct run run;

	words_init();
	program_fix_descriptors();
	(void)close_range(3, ~0U, CLOSE_RANGE_CLOEXEC); /* what we inherited is not for the children */
	program_keep_secrets();
	umask(0077);
	options_parse(&run.options, argc, argv);
	int status = run_server(&run);
	options_free(&run.options);
	return status;
}
