/* What a process of front's or keeper's kind might try, and what it must be able to. Each returns 0 or an errno. */
#ifndef UNIT_SANDBOX_ACTS_H
#define UNIT_SANDBOX_ACTS_H

#include <pthread.h>
#include <stddef.h>
#include <sys/types.h>

#define BROKEN 78 /* what should be there before the walls is not; no errno that an act gives */

/* What the processes of this test have: made before the walls. */
struct place {
	char folder[64], store[96], made[96], outside[64];
	int pair[2], tcp, listener, wake[2];
	pid_t sibling; /* another process of the same user */
	pthread_t thread;
	int (*act)(struct place *);
	int result;
};

enum outcome { WORKS, REFUSED, KILLED };

struct deed {
	const char *name;
	int (*act)(struct place *);
	enum outcome front, keeper;
};

/* All of them, and what must come of each. */
extern const struct deed sandbox_acts[];
extern const size_t sandbox_acts_count;
/* The one of that name. */
const struct deed *sandbox_act(const char *name);
/* The address of a listener on loopback, or without one (-1) port 0 there. */
struct sockaddr_in sandbox_loopback(int listener);

#endif
