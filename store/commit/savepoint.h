/* Savepoints: states within a write transaction to which it can go back. See pager_savepoint.h. */
#ifndef STORE_COMMIT_SAVEPOINT_H
#define STORE_COMMIT_SAVEPOINT_H

#include "store/commit/txn.h"

struct placement_trees;

/** Release all savepoints of a transaction, which is about to commit. */
int savepoints_close(struct txn *txn);

/** Collect the trees of a transaction and of its savepoints.
 *  @param ret_trees  its members at and refs are freed by the caller with free(), also on failure
 *  @return 0; -ENOMEM */
int savepoints_trees(struct txn *txn, struct placement_trees *ret_trees);

#endif
