/* Snapshots: commits that are kept under a name. See snapshot.c.
 *
 * The folder, in reading order:
 *
 *     snapshot      making and opening; snapshot_delete deletes, step by step
 *     diff          what differs between two points in time; diff_prefix below a prefix
 *     restore       going back to one
 *     watch         which keys of a prefix change
 *     reclaim       freeing trees that were dropped
 *     lineage       which commit of the original a backup is like
 *     link_map      shared entries that were met, by their id
 */
#ifndef STORE_HISTORY_SNAPSHOT_H
#define STORE_HISTORY_SNAPSHOT_H

#include "store/commit/txn.h"

/** Find the newest snapshot of the current commit.
 *  @param ret_txn  the commit it keeps; 0: there is none */
int snapshot_newest(struct kt_store *store, uint64_t *ret_txn);

/** The tree of snapshots, of any transaction. */
struct kt_txn snapshot_tree(struct kt_txn *txn);

/** @return 0; -EINVAL, -ENAMETOOLONG it is no name for a snapshot */
int snapshot_check_name(const char *name);

/** Find the snapshot that keeps a commit.
 *  @param txn  of which commit it is seen; any tree of it
 *  @return 0; -ENOENT there is none */
int snapshot_find(struct kt_txn *txn, uint64_t commit, struct format_snapshot *ret_kept,
	char ret_name[KT_NAME_MAX + 1]);

/** Keep the commit before a write transaction, which has changed nothing yet.
 *  @return 0; -EEXIST */
int snapshot_keep(struct kt_txn *txn, const char *name);

/** Keep the last commit.
 *  @param commit  the one that must be the last; 0: any
 *  @param flags   of kt_commit()
 *  @return as kt_snapshot_create(); -EAGAIN it is not the last any more */
int snapshot_create(struct kt_store *store, const char *name, uint64_t commit, unsigned flags);

/** Put the pages that a transaction freed, and that a snapshot sees, on the dead list. */
int snapshot_store_dead(struct txn *txn);

/** Receives a snapshot. @return 0 to go on */
typedef int snapshot_each_fn(void *arg, struct kt_txn *txn, const struct format_snapshot *kept);

/** Visit all snapshots, the oldest first.
 *  @param txn  of which commit; any tree of it
 *  @return 0; -EUCLEAN; what each returned */
int snapshot_each(struct kt_txn *txn, snapshot_each_fn *each, void *arg);

/** Receives dead pages. @return 0 to go on */
typedef int snapshot_dead_fn(void *arg, const struct dead *dead);

/** Visit all pages that died and are kept by one snapshot. @return as snapshot_each() */
int snapshot_each_dead(struct kt_txn *txn, uint64_t snapshot, snapshot_dead_fn *each, void *arg);

/** Find the newest snapshot that is not newer than a commit.
 *  @param ret_snapshot  0: there is none */
int snapshot_at_most(struct txn *txn, uint64_t commit, uint64_t *ret_snapshot);

#endif
