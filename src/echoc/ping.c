#include "ping.h"

enum status ping_run(struct reach *r)
{
	(void)r;
	return STATUS_LOST;
}
