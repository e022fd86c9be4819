/* What a store must hold: the model of each commit, and the comparison with a store. */
#ifndef TESTS_CRASH_STATE_H
#define TESTS_CRASH_STATE_H

#include "tests/unit/model.h"

#include <stdbool.h>

#define STATE_TREES 3
#define STATE_KEPT 4 /* snapshots at a time */
#define STATE_NAME 16

/** What a snapshot keeps. It never changes; the states that have the snapshot share it. */
struct kept {
	unsigned uses;
	char name[STATE_NAME];
	uint64_t txn;
	struct model trees[STATE_TREES];
};

/** All that a store holds at one commit: its trees and its snapshots, the oldest first. */
struct state {
	struct model trees[STATE_TREES];
	struct kept *kept[STATE_KEPT];
	size_t kept_count;
	uint64_t last_id; /* the newest that kt_new_id() gave */
};

/** The states that commits led to, or may have led to. */
struct history {
	struct {
		uint64_t txn;
		struct state state;
		uint64_t until; /* after so many events of the disk it may not be any more */
	} * at;
	size_t count, capacity;
};

/** A copy of all of it. */
struct state state_clone(const struct state *state);

void state_fini(struct state *state);

/** Add a snapshot.
 *  @param from  what it keeps; trees are copied
 *  @param txn   the commit that this is the state of */
void state_keep(struct state *state, const struct state *from, uint64_t txn, const char *name);

/** Remove a snapshot. */
void state_forget(struct state *state, size_t index);

/** What kt_restore() makes of a state.
 *  @param trees  STATE_TREES of them, of the point in time; those that are restored are copied */
void state_restore(struct state *state, const struct model *trees);

/** Does a transaction show the trees of a state?
 *  @param ignored   a key of KT_ENTRIES that does not count; NULL: none
 *  @param tolerant  an error in place of data is right too, other data never
 *  @param ret_why   what is wrong, in words */
bool state_equals(const struct state *state, struct kt_txn *txn, const char *ignored, bool tolerant,
	const char **ret_why);

/** Has a store the snapshots of a state, and do they show what they keep?
 *  @param tolerant  as of state_equals()
 *  @param ret_why   what is wrong, in words */
bool state_snapshots_equal(
	const struct state *state, struct kt_store *store, bool tolerant, const char **ret_why);

/** Add the state of a commit. @param state  is copied */
void history_add(struct history *history, uint64_t txn, const struct state *state);

/** Forget the state added last: there was no commit. */
void history_drop(struct history *history);

/** The commit of the state added last has failed: only a crash before that may lead to it.
 *  @param until  events of the disk so far */
void history_end(struct history *history, uint64_t until);

void history_fini(struct history *history);

/** Find the state that a store has among those of one commit.
 *  @param now      events of the disk so far
 *  @param txn      a transaction of the store's last commit
 *  @param ret_why  as of state_equals(), for the newest one
 *  @return NULL: none */
const struct state *history_find(const struct history *history, uint64_t now,
	struct kt_store *store, struct kt_txn *txn, const char **ret_why);

#endif
