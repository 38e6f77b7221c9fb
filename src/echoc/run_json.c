#include "run_json.h"

#include <unistd.h>

void run_json(struct json *j, int64_t started_us)
{
	char host[256] = "";

	(void)gethostname(host, sizeof(host) - 1);
	json_text(j, "version", ECHOD_VERSION);
	json_text(j, "host", host);
	json_text(j, "clock", "CLOCK_MONOTONIC");
	json_wall(j, "started_at", started_us);
}
