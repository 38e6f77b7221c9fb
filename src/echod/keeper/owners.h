/*
 * Where accounts were last logged in to from, brought from the store to the throttle: so a keeper that has been started
 * anew still knows whom it need not slow down.
 */
#ifndef KEEPER_OWNERS_H
#define KEEPER_OWNERS_H

#include <stdint.h>

#include "must.h"
#include "store.h"
#include "throttle.h"

/*
 * Once, at start; reads every account (a million take about a second). now_us by the wall clock and now_ms by the
 * throttle's are the same moment: the longer ago a login was, the sooner it is forgotten.
 */
enum store_result owners_load(struct throttle *, struct store *, int64_t now_us, uint64_t now_ms) MUST_CHECK;

#endif
