/*
 * Failed logins cost: each address, and each account's name, has a budget of failed checks. It is asked before a check
 * and told of its end; it knows no clock and starts no thread, so the caller says what time it is, by a clock that
 * never goes back.
 *
 * An address (IPv4; IPv6 by its /64, which is what one household is given; on a unix socket the user id) may fail
 * address_failures times at once and six times a minute from then on (threats.md, T27). With the budget gone its
 * questions are refused before any hash, with the time when the next one is looked at. A success takes nothing and
 * gives nothing back: so a crowd behind one address is not hit by its logins, and no guesser helps himself by logging
 * in to an account of his own between guesses.
 *
 * A name, whether there is such an account or not, may be failed account_failures times (100: NIST SP 800-63B, 5.2.2),
 * and is in the slow lane from then on: one check every ten seconds for all addresses together that never logged in to
 * it, and in that, those that have failures of their own leave the turn to those that have none. An address that
 * has logged in to the account before is not asked about the name's budget, nor is a token: so nobody can lock an owner
 * out of where he was before. From a new address he competes with the guessers for the turns. Here, too, the budget
 * comes back by time alone, so a guesser gains nothing from the owner's logging in.
 *
 * A check that is under way counts as a failure until it has ended: so parallel guesses do not slip through together.
 *
 * The tables hold THROTTLE_ENTRIES each. A full one forgets the budget that is nearest to being full again, that is,
 * the one that is worth least to who is behind it: a guesser must fail from more than THROTTLE_ENTRIES other addresses
 * within ten seconds to have one failure of one address forgotten. Known addresses are kept by name, THROTTLE_KNOWN a
 * name, and the name goes that nobody has logged in to for longest: to push one out takes logging in to as many
 * accounts.
 */
#ifndef KEEPER_THROTTLE_H
#define KEEPER_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "must.h"
#include "orders.h"

#define THROTTLE_ENTRIES      65536 /* OpenSSH's bound for its penalties (threats.md, section 4) */
#define THROTTLE_KNOWN        8
#define THROTTLE_REFILL_MS    10000 /* six a minute */
#define THROTTLE_DELAY_MAX_MS 15000 /* dovecot's */
/* To the next tick of the front's clock: so nobody can tell names by the microseconds that their row in the store took.
 */
#define THROTTLE_BLUR_MS   1
#define THROTTLE_KEY_BYTES 16

struct throttle;

struct throttle_limits {
	uint32_t address_failures, account_failures; /* 1 to 1,000,000 */
	uint64_t delay_ms; /* of an address's second failure; 0: refusals are never held back */
};

/* Who asks about what, as the throttle knows them, and whether a check of theirs is counted as under way. */
struct throttle_claim {
	uint64_t address[2], account[2];
	struct peer from; /* as far as it counts */
	bool has_account; /* false: a token, which no name stands with */
	bool taken;
};

enum throttle_answer {
	THROTTLE_GO,
	THROTTLE_WAIT, /* for the end of checks that are under way: what is left of a budget is theirs */
	THROTTLE_NO,   /* a budget is gone */
};

enum throttle_outcome { THROTTLE_IN, THROTTLE_FAILED, THROTTLE_UNDECIDED };

/* key is random; it keeps others from foreseeing what meets in the tables. Returns 0 or -ENOMEM. */
int throttle_create(struct throttle **, const struct throttle_limits *,
                    const uint8_t key[THROTTLE_KEY_BYTES]) MUST_CHECK;
void throttle_destroy(struct throttle *);

/* name: the account's, normalised; NULL for a token. */
struct throttle_claim throttle_claim(const struct throttle *, const struct peer *, const char *name);

/* Whether somebody has logged in to the claim's name from its address before. */
bool throttle_knows(const struct throttle *, const struct throttle_claim *);

/* Whether a check may be made now. Where not, *wait_ms is when to ask again; it is 0 for THROTTLE_WAIT. */
enum throttle_answer throttle_look(const struct throttle *, const struct throttle_claim *, uint64_t now_ms,
                                   uint64_t *wait_ms) MUST_CHECK;
/* The same, and where it may, the check counts as under way until throttle_settle. */
enum throttle_answer throttle_take(struct throttle *, struct throttle_claim *, uint64_t now_ms,
                                   uint64_t *wait_ms) MUST_CHECK;
/*
 * The check has ended, or there was none and it has failed all the same. Returns for how many milliseconds the answer
 * is to be held back: THROTTLE_BLUR_MS for the first failure of an address, which is a person's slip; then delay_ms,
 * doubling to THROTTLE_DELAY_MAX_MS with the failures that its budget has not got over yet; 0 where delay_ms is.
 */
uint64_t throttle_settle(struct throttle *, struct throttle_claim *, enum throttle_outcome, uint64_t now_ms);
/* Somebody at this address has logged in to name. */
void throttle_remember(struct throttle *, const struct peer *, const char *name, uint64_t now_ms);

/* How many budgets had to be forgotten so far before they were full: more of them than THROTTLE_ENTRIES. */
uint64_t throttle_forgotten(const struct throttle *);

/*
 * Calls each with one line of JSON for each address and each name whose budget is not full, the emptiest first, at most
 * `most` of either. Returns how many there are, or -ENOMEM.
 */
int throttle_list(const struct throttle *, uint64_t now_ms, uint32_t most,
                  void (*each)(void *arg, const char line[ORDER_TEXT_MAX]), void *arg) MUST_CHECK;
/* Fills all budgets. Returns how many were not full. Who is known stays known. */
uint32_t throttle_clear(struct throttle *, uint64_t now_ms);

#endif
