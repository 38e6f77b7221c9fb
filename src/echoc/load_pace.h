/* Times at a fixed rate, exact to the nanosecond however many there are: the fraction is carried along. */
#ifndef ECHOC_LOAD_PACE_H
#define ECHOC_LOAD_PACE_H

#include <stdint.h>

/* (whole + rest / of) nanoseconds. */
struct load_step {
	uint64_t whole, rest, of;
};

struct load_pace {
	uint64_t next_ns, carry;
};

static inline struct load_step load_step(uint64_t ns, uint64_t of)
{
	return (struct load_step){.whole = ns / of, .rest = ns % of, .of = of};
}

static inline void load_pace_advance(struct load_pace *p, const struct load_step *step)
{
	p->next_ns += step->whole;
	p->carry += step->rest;
	if (p->carry >= step->of) {
		p->carry -= step->of;
		p->next_ns++;
	}
}

#endif
