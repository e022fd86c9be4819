/* Entries that several keys share.
 *
 *     TREE_ENTRIES              TREE_SHARED
 *     "a"  link 7.1 ─────┐      7      the entry; 2 keys
 *     "b"  an entry      ├────> 7 1    "a"
 *     "c"  link 7.2 ─────┘      7 2    "c"
 *
 * When an entry gets a second key it moves to TREE_SHARED, under an id, and its keys have links in
 * its place. It stays there as long as it has a key, be it one. Behind it stand its keys, each
 * under the number of its link: so the difference of two points in time can name them all when the
 * entry has changed, though the leaves they stand in have not.
 */
#ifndef STORE_ENTRY_SHARED_ENTRY_H
#define STORE_ENTRY_SHARED_ENTRY_H

#include "store/entry/entry.h"

/** Find the cell that a link leads to, to read it.
 *  @param link  of CELL_LINK
 *  @return 0; -EUCLEAN it leads nowhere */
int shared_entry_follow(struct txn *txn, const struct cell *link, struct cell *ret_cell);

/** Find a shared entry, to change it for all of its keys. @return as shared_entry_follow() */
int shared_entry_open(struct txn *txn, uint64_t id, struct entry *ret_entry);

/** Give a key an entry of its own in place of its link. One that had the shared entry for itself
 *  keeps that: what is changed then is the shared entry.
 *  @param entry      of the link; afterwards empty but for attributes, or the shared entry
 *  @param keep_attr  the attributes are copied */
int shared_entry_part(struct entry *entry, bool keep_attr);

/** Bring an entry back from TREE_SHARED in place of its only link, in memory: what the caller does
 *  with entry then is up to it.
 *  @param buffer  what the cell points to afterwards
 *  @return 0; -EMLINK it has other keys, and nothing has changed */
int shared_entry_take(struct entry *entry, struct move_entry_buffer *buffer);

/** A link goes: the entry has one key less, and ends with the last. */
int shared_entry_leave(struct txn *txn, const struct cell *link);

/** A link has moved to another key.
 *  @param key  the whole key; borrowed */
int shared_entry_rename(struct txn *txn, const struct cell *link, const void *key, size_t key_size);

/** Receives a finding. @param message  valid during the call */
typedef void shared_entry_found_fn(void *arg, const char *message);

/** Check that shared entries and the keys that lead to them agree, in the trees of a transaction.
 *  @param links  how many links there are in TREE_ENTRIES
 *  @return 0; why it could not be done */
int shared_entry_check(struct kt_txn *txn, uint64_t links, shared_entry_found_fn *found, void *arg);

#endif
