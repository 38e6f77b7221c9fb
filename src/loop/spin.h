/*
 * Adaptive busy polling: a wait that asks again and again for a short while before it sleeps, so that an answer is not
 * late by the time that a sleeping thread takes to wake. It spins only while that pays: a short sleep shows that a spin
 * might have, a few spins in vain show that it no longer does, and each vain try doubles how many short sleeps the next
 * one takes. So an idle loop, or one whose messages come a little too seldom, sleeps as ever (the idea of the kernel's
 * halt polling, Documentation/virt/kvm/halt-polling.rst).
 *
 * One thread: the loop's.
 */
#ifndef LOOP_SPIN_H
#define LOOP_SPIN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct spin {
	uint64_t most_ns;         /* a spin; 0: none */
	unsigned credit;          /* spins that may still be in vain before it stops to spin */
	unsigned wanted, showing; /* short sleeps that it takes to try again, and how many there were */
};

void spin_init(struct spin *, uint64_t most_ns);

/* Waits as epoll_wait does with a wait_ms other than 0, and returns the same; a spin is part of wait_ms. */
int spin_wait(struct spin *, int epoll, struct epoll_event *events, int most, int wait_ms);

/* The decision, apart from the waiting: whether to spin now; what a spin, or a sleep, has shown. */
bool spin_wants(const struct spin *);
void spin_ended(struct spin *, bool found);
void spin_slept(struct spin *, uint64_t slept_ns);

#endif
