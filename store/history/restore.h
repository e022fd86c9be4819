/* Bringing back an earlier state. See restore.c. */
#ifndef STORE_HISTORY_RESTORE_H
#define STORE_HISTORY_RESTORE_H

#include "store/commit/txn.h"

/** Apply to a write transaction what differs between the last commit and a point in time.
 *  @param last   a read transaction of the last commit
 *  @param point  a read transaction; what its entries and made directories are, to's become
 *  @param to     begun while that was the last commit, and unchanged
 *  @return 0 or an error */
int restore_into(struct kt_txn *last, struct kt_txn *point, struct kt_txn *to);

#endif
