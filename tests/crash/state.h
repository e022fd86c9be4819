/* What a store must hold: the model of each commit, and the comparison with a store. */
#ifndef TESTS_CRASH_STATE_H
#define TESTS_CRASH_STATE_H

#include "tests/unit/model.h"

#include <stdbool.h>

#define STATE_TREES 3

/** All public trees at one commit. */
struct state {
	struct model trees[STATE_TREES];
};

/** The states that commits led to, or may have led to. */
struct history {
	struct {
		uint64_t txn;
		struct state state;
	} * at;
	size_t count, capacity;
};

/** A copy of all of it. */
struct state state_clone(const struct state *state);

void state_fini(struct state *state);

/** Does a transaction show a state?
 *  @param ignored   a key of KT_ENTRIES that does not count; NULL: none
 *  @param tolerant  an error in place of data is right too, other data never
 *  @param ret_why   what is wrong, in words */
bool state_equals(const struct state *state, struct kt_txn *txn, const char *ignored, bool tolerant,
	const char **ret_why);

/** Add the state of a commit. @param state  is copied */
void history_add(struct history *history, uint64_t txn, const struct state *state);

/** Forget the state added last: its commit failed for sure. */
void history_drop(struct history *history);

void history_fini(struct history *history);

/** Find the state that a transaction shows among those of its number.
 *  @param ret_why  as of state_equals(), for the newest one
 *  @return NULL: none */
const struct state *history_find(
	const struct history *history, struct kt_txn *txn, const char **ret_why);

#endif
