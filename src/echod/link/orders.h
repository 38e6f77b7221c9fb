/*
 * What the parent says to front and keeper, and they to it, over one SOCK_SEQPACKET pair each, on descriptor ORDER_FD.
 * The parent is trusted; a child's words are not: it may say ready, failed or drained, and nothing else is done for it.
 */
#ifndef LINK_ORDERS_H
#define LINK_ORDERS_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "network.h"

#define ORDER_FD 3 /* where a child finds its socket */

#define ORDER_LISTENERS_MAX 64
#define ORDER_WORKERS_MAX   64
#define ORDER_TEXT_MAX      1024

enum order_kind {
	/* to the children, each with the descriptor that it names */
	ORDER_CONFIG = 1, /* first of all; with the log's descriptor */
	ORDER_COUNTERS,   /* the shared counters */
	ORDER_LISTENER,   /* front only: listener number index, text is its address */
	ORDER_LINK,       /* worker index's end of its pair to the other process */
	ORDER_START,      /* no descriptor: all has been handed over */
	ORDER_LOG,        /* the reopened log */
	ORDER_DRAIN,      /* front only, no descriptor */
	/* front only, where there is a TLS listener, before ORDER_START and again at a reload: a memfd with a
	 * certificate chain and its key, both PEM, which the parent has tried; value: how many bytes */
	ORDER_TLS,
	/* keeper only, no descriptor */
	ORDER_REVOKE,          /* text: the account whose tokens end; answered ORDER_DONE */
	ORDER_PENALTIES,       /* answered with ORDER_PENALTY for each address or account, then ORDER_DONE */
	ORDER_CLEAR_PENALTIES, /* answered ORDER_DONE */
	/* to the parent */
	ORDER_READY,
	ORDER_FAILED,  /* text is one sentence; the child ends */
	ORDER_DRAINED, /* front: no connection is left; it ends. value: how many were cut off */
	ORDER_PENALTY, /* keeper: one line of JSON in text */
	ORDER_DONE, /* keeper: the last question but those before it is answered; value: how many, or a negative errno
	             */
};

struct order_listener {
	uint64_t idle_ms; /* 0: no limit */
	uint8_t raw, tls, reserved[6];
	struct network_list proxy_from; /* relays: their connections begin with a PROXY header */
	char address[ADDRESS_TEXT_MAX];
};

/* The options that a child needs, checked by the parent. Durations in milliseconds, 0 for off. */
struct order_config {
	uint32_t size; /* of this struct: programs of different builds refuse each other */
	uint32_t workers, listeners, log_level;
	uint64_t login_ms, stall_ms, drain_ms, busy_poll_us;
	uint32_t max_connections; /* 0: as many as the descriptors allow */
	uint32_t hash_kib, hash_passes;
	uint32_t address_failures, account_failures; /* keeper/throttle.h */
	uint64_t failure_delay_ms;
	uint32_t address_connections, address_rate; /* 0: no limit */
	uint32_t login_slots;
	uint64_t token_life_ms;
	uint32_t max_accounts, address_accounts; /* in all; new ones in an hour for each address; 0: no limit */
	uint64_t unread_bytes; /* kernel memory of connections whose clients do not read; 0: no limit */
	uint8_t may_create_store, allow_cleartext, limit_local, reserved[5];
	char accounts[ORDER_TEXT_MAX];
	uint8_t register_open[ORDER_LISTENERS_MAX]; /* by listener */
};

struct order {
	uint32_t kind; /* enum order_kind */
	uint32_t index;
	uint64_t value;
	union {
		char text[ORDER_TEXT_MAX];
		struct order_config config;
		struct order_listener listener;
	};
};

#endif
