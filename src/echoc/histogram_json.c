#include "histogram_json.h"

void histogram_json(struct json *j, const char *key, const struct histogram *h)
{
	json_open_list(j, key);
	for (uint64_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (h->bucket[i] == 0)
			continue;
		json_open_list(j, NULL);
		json_count(j, NULL, histogram_upper_ns(i));
		json_count(j, NULL, h->bucket[i]);
		json_close_list(j);
	}
	json_close_list(j);
}
