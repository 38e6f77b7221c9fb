#include "load_measures.h"

#include <stddef.h>

#define X(name, text) text,
const char *const load_error_names[LOAD_ERROR_COUNT] = {LOAD_ERRORS(X)};
#undef X

void load_measures_init(struct load_measures *m)
{
	m->counters = (struct load_counters){0};
	histogram_init(&m->service);
	histogram_init(&m->response);
	histogram_init(&m->set_up);
}

/* The counters are nothing but numbers of one type, each of which is a sum. */
static void add_counters(struct load_counters *into, const struct load_counters *from)
{
	_Static_assert(sizeof(*into) % sizeof(uint64_t) == 0, "uint64_t only");
	uint64_t *sum = (uint64_t *)into;
	const uint64_t *part = (const uint64_t *)from;

	for (size_t i = 0; i < sizeof(*into) / sizeof(uint64_t); i++)
		sum[i] += part[i];
}

void load_measures_merge(struct load_measures *into, const struct load_measures *from)
{
	add_counters(&into->counters, &from->counters);
	histogram_merge(&into->service, &from->service);
	histogram_merge(&into->response, &from->response);
	histogram_merge(&into->set_up, &from->set_up);
}

uint64_t load_counters_errors(const struct load_counters *c)
{
	uint64_t sum = 0;

	for (int i = 0; i < LOAD_ERROR_COUNT; i++)
		sum += c->errors[i];
	return sum;
}
