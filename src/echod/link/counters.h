/*
 * The counters: one page or more of memory that the three processes share, so that reading them asks nothing of anybody
 * and they outlive a front or a keeper. Front and keeper write, each its own part; the parent reads, and believes
 * nothing but that they are numbers.
 */
#ifndef LINK_COUNTERS_H
#define LINK_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "must.h"
#include "orders.h"

/* Why a connection ended; PROTOCOL.md's words. Each has its counter and its name in log and status. */
#define CLOSE_REASONS(X)                                                                                               \
	X(EOF, "eof")               /* the client's FIN, and all sent back */                                          \
	X(RESET, "reset")           /* the client reset it, or is gone */                                              \
	X(QUIT, "quit")             /* QUIT at login */                                                                \
	X(ERRORS, "errors")         /* too many errors at login */                                                     \
	X(BUSY, "busy")             /* 421: the password queue is full */                                              \
	X(LIMIT, "limit")           /* at the limit on connections */                                                  \
	X(ADDRESS, "address_limit") /* at the limit on connections of one address */                                   \
	X(RATE, "rate_limit")       /* one address connects too often */                                               \
	X(SLOTS, "login_slots")     /* too many logins under way, most of them its address's */                        \
	X(ACCOUNTS, "new_accounts") /* too many new accounts of one address */                                         \
	X(PENALTY, "penalty")       /* too many failed logins, of its address or for its account */                    \
	X(PROXY, "proxy_header")    /* no PROXY header where one must be */                                            \
	X(TLS, "tls")               /* no TLS session came about, or it broke */                                       \
	X(TRUNCATED, "truncated")   /* the end of a TLS connection without close_notify: somebody may have cut it */   \
	X(LOGIN_TIME, "login_time") /* no login in time */                                                             \
	X(IDLE_TIME, "idle_time")   /* nothing came for too long */                                                    \
	X(STALL_TIME, "stall_time") /* the client took nothing for too long */                                         \
	X(DRAIN, "drain")           /* the server goes */                                                              \
	X(FORCED, "forced")         /* the server goes, and could not wait for the client to take its bytes */         \
	X(MEMORY, "memory")         /* no memory to hold the client's bytes */                                         \
	X(ERROR, "error")           /* any other error of the connection */

#define X(id, name) CLOSE_##id,
enum close_reason { CLOSE_REASONS(X) CLOSE_REASON_COUNT };
#undef X

/* The reason's name as log and status have it. */
const char *counters_reason_name(enum close_reason);

enum counters_stage { STAGE_PROXY, STAGE_TLS, STAGE_LOGIN, STAGE_ECHO, STAGE_CLOSING, STAGE_COUNT };

/* A worker's own: nobody else writes it, so no two workers share a cache line. */
struct worker_counters {
	_Alignas(64) _Atomic uint64_t bytes_in; /* of the echo phase; each goes back, is held, or is dropped */
	_Atomic uint64_t bytes_dropped;         /* held when their connection broke */
	_Atomic uint64_t in_stage[STAGE_COUNT]; /* gauges: connections now */
	_Atomic uint64_t closed[CLOSE_REASON_COUNT];
	_Atomic uint64_t holding, held_bytes; /* gauges: chunks held for slow clients */
	_Atomic uint64_t unread; /* gauge: kernel memory of connections whose client is slow, at the last look */
	_Atomic uint64_t logins;
};

struct counters {
	struct worker_counters worker[ORDER_WORKERS_MAX];
	_Atomic uint64_t accepted, accept_errors, refused; /* refused: at the limit */
	_Atomic uint64_t open;                             /* gauge: connections that hold a descriptor */
	_Atomic uint64_t max_connections;
	_Atomic uint64_t login_slots, addresses; /* gauges: slots taken; addresses with a connection or login counted */
	_Atomic uint64_t log_lost_front, log_lost_keeper;
	_Atomic uint64_t hash_queue, name_queue; /* gauges: questions waiting or being worked on */
	_Atomic uint64_t asked, hashed, created, stamped;
	_Atomic uint64_t sandbox_front, sandbox_keeper; /* which walls they have: sandbox/sandbox.h */
};

/* Makes the memory; *fd, close-on-exec, is for the children. Returns 0 or a negative errno. */
int counters_create(struct counters **out, int *fd) MUST_CHECK;
/* Maps what counters_create made; fd stays the caller's. */
int counters_map(struct counters **out, int fd) MUST_CHECK;

/* Adds to a counter that one thread alone writes. */
static inline void counters_add(_Atomic uint64_t *c, uint64_t by)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + by, memory_order_relaxed);
}

static inline uint64_t counters_get(const _Atomic uint64_t *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

#endif
