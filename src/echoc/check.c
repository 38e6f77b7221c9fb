#include "check.h"

enum status check_run(struct reach *r)
{
	(void)r;
	return STATUS_LOST;
}
