#include "seam.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct seam_plan by_environment;
static struct seam_plan *plan;
static _Atomic uint64_t draws;

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static void text_of(const char *name, char *out, size_t cap)
{
	const char *text = getenv(name);

	snprintf(out, cap, "%s", text ? text : "");
}

static struct seam_plan *map_plan(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	void *memory = MAP_FAILED;

	if (fd >= 0) {
		memory = mmap(NULL, sizeof(struct seam_plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		close(fd);
	}
	return memory == MAP_FAILED ? NULL : memory;
}

__attribute__((constructor(101))) static void read_plan(void)
{
	struct seam_plan *p = &by_environment;
	const char *path = getenv("FAULT_FILE");

	if (path) {
		plan = map_plan(path);
		return;
	}
	p->at = number_of("FAULT_AT", 0);
	p->always = number_of("FAULT_ALWAYS", 0);
	p->err = number_of("FAULT_ERRNO", ENOMEM);
	p->seed = number_of("FAULT_SEED", 0);
	p->rate = number_of("FAULT_RATE", 4);
	text_of("FAULT_PROGRAM", p->program, sizeof(p->program));
	text_of("FAULT_CALL", p->call, sizeof(p->call));
	p->armed = p->at || p->seed;
	if (p->seed)
		fprintf(stderr, "%s: FAULT_SEED=%llu\n", program_invocation_short_name, (unsigned long long)p->seed);
	plan = p;
}

/* Whether name is one of the list's. */
static bool is_listed(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = list; (at = strstr(at, name)); at++) {
		bool begins = at == list || at[-1] == ',';
		if (begins && (at[len] == '\0' || at[len] == ','))
			return true;
	}
	return false;
}

static bool is_meant(const struct seam_plan *p)
{
	return p && atomic_load(&p->armed) && (!p->program[0] || is_listed(p->program, program_invocation_short_name));
}

bool seam_is_about(const char *kind)
{
	return is_meant(plan) && !plan->seed && strcmp(plan->call, kind) == 0;
}

bool seam_fails(const char *kind)
{
	struct seam_plan *p = plan;

	if (!seam_is_about(kind))
		return false;
	uint64_t n = atomic_fetch_add(&p->count, 1) + 1;
	if (!p->at || n < p->at || (n > p->at && !p->always))
		return false;
	atomic_fetch_add(&p->fired, 1);
	errno = (int)p->err;
	return true;
}

void seam_arm(const char *kind, uint64_t at, int err)
{
	struct seam_plan *p = plan;

	p->at = at;
	p->err = (uint64_t)err;
	snprintf(p->call, sizeof(p->call), "%s", kind);
	atomic_store(&p->count, 0);
	atomic_store(&p->fired, 0);
	atomic_store(&p->armed, 1);
}

uint64_t seam_disarm(void)
{
	atomic_store(&plan->armed, 0);
	return atomic_load(&plan->fired);
}

/* splitmix64 of the seed and the draw's number. */
static uint64_t draw(void)
{
	uint64_t z = plan->seed + (atomic_fetch_add(&draws, 1) + 1) * 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

enum seam_whim seam_whim(void)
{
	if (!is_meant(plan) || !plan->seed || draw() % plan->rate != 0)
		return WHIM_NONE;
	atomic_fetch_add(&plan->fired, 1);
	switch (draw() % 4) {
	case 0: return WHIM_INTERRUPT;
	case 1: return WHIM_AGAIN;
	default: return WHIM_SHORT;
	}
}

size_t seam_shorten(size_t len)
{
	return len > 1 ? 1 + draw() % (draw() % 2 ? len : len < 16 ? len : 16) : len;
}
