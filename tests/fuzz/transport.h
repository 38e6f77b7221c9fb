/*
 * A kernel in memory, for a whole front in one thread: sockets with a buffer in each direction, epoll, a pipe, and a
 * clock that only its user moves. The calls stand behind --wrap in transport.c; a descriptor that is none of these goes
 * to the real call. What no program does by right (a closed descriptor used, a byte sent behind one's own FIN) ends the
 * process.
 */
#ifndef FUZZ_TRANSPORT_H
#define FUZZ_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "ask.h"
#include "loop.h"

#define WIRE_IN_MAX  (1024 * 1024)
#define WIRE_OUT_MAX (512 * 1024)

/*
 * A connection as the kernel has it: in is what the client sent and the server has not received, out the reverse.
 * invariant: in_at <= arrived <= in_len, and out_len - out_at <= WIRE_OUT_MAX
 */
struct wire {
	struct sockaddr_storage peer, local; /* the server's view */
	bool is_unix;
	size_t in_at, arrived, in_len, out_at, out_len;
	size_t out_cap; /* the server's send buffer */
	bool slow;      /* what the client sends arrives only by wire_arrive */
	bool client_fin, client_reset;
	int error;                     /* pending at the server's socket */
	bool server_fin, fin_taken;    /* FIN sent, acknowledged */
	bool eof_read, eof_before_fin; /* the server has received the client's FIN; and before it sent its own */
	bool lingers_not, closed, server_reset;
	int fd; /* -1 before accept and after close */
	uint8_t in[WIRE_IN_MAX], out[WIRE_OUT_MAX];
};

/* ---- the client's side ---- */

void wire_init(struct wire *);
/* Returns how many bytes found room; data for a closed server brings a reset. */
size_t wire_put(struct wire *, const void *data, size_t len);
void wire_arrive(struct wire *, size_t len);
/* What the server sent; with its last byte its FIN is acknowledged. */
size_t wire_take(struct wire *, uint8_t *to, size_t cap);
void wire_fin(struct wire *);
void wire_reset(struct wire *);
/* The server's FIN and no reset, behind all that was taken. */
bool wire_has_ended(const struct wire *);

/* ---- the world around ---- */

/* Between the two a worker is started, and its thread is not: who tests is its thread. */
void transport_begin(void);
void transport_end(void);

enum transport_kind {
	TRANSPORT_NONE,
	TRANSPORT_SOCKET,
	TRANSPORT_LISTENER,
	TRANSPORT_PIPE,
	TRANSPORT_EVENT,
	TRANSPORT_LINK,
	TRANSPORT_EPOLL
};

int transport_open(enum transport_kind);
/* The client waits to be accepted there. */
void transport_connect(int listener_fd, struct wire *);
/* How many descriptors of a kind there are. */
unsigned transport_count(enum transport_kind);
/* Who watches the wire's socket; NULL: nobody. */
struct loop_source *transport_watcher(const struct wire *);

/* A turn of loop with those ready descriptors whose bit, counted among them, is in mask. Returns how many there were.
 */
unsigned transport_turn(struct loop *, uint32_t mask);
bool transport_is_turning(void);
void transport_pass_ms(uint64_t ms);

/* The call fails once, with err; err 0 takes it back. */
enum transport_call { CALL_SEND, CALL_RECV, CALL_EPOLL_ADD, CALL_ACCEPT, CALL_COUNT };
void transport_fail(enum transport_call, int err);

/* ---- the keeper's end of the link, of which there is one that counts ---- */

enum transport_link { LINK_GOOD, LINK_FULL, LINK_BROKEN };
void transport_link_is(enum transport_link);
/* A new link's end for the front. What was asked and answered on the old one is gone. */
int transport_link_open(void);
/* Whether a verdict found room. */
bool transport_answer(const struct verdict *);
/* The number'th question that came and is not answered; NULL: there are fewer. */
const struct ask *transport_asked(unsigned number);
void transport_forget_asked(unsigned number);

/* ---- memory: transport_memory.c ---- */

/* Blocks that the front has, and the allocation from now that fails, 0 for none. */
long transport_blocks(void);
void transport_fail_block(unsigned nth);

#endif
