/* Points in time that a store and its backups have in common.
 *
 * A point is told by the number of its commit and a digest of its time and roots. A copy of a store
 * has them as the store does; what is written to the copy afterwards has others. What an increment
 * has made in a backup is another commit of that; a record says which point of the original it is
 * like, so that the next increment is known to fit:
 *
 *     store     ... 57 "mon" ...... 90 "tue"        increment: from 57 to 90
 *     backup        57 "mon", 58 "tue"              origin of 58: 90
 */
#ifndef STORE_HISTORY_LINEAGE_H
#define STORE_HISTORY_LINEAGE_H

#include "keytree.h"

#include "store/format.h"

struct lineage_point {
	uint64_t txn;
	uint64_t digest;
};

/** The point that a read transaction shows.
 *  @param ret_name  of the snapshot that keeps it; "" if none does */
int lineage_point(
	struct kt_txn *txn, struct lineage_point *ret_point, char ret_name[KT_NAME_MAX + 1]);

/** Does what a read transaction of the last commit shows equal a point of the original? */
int lineage_is(struct kt_txn *txn, const struct lineage_point *point, bool *ret_is);

/** Find the snapshot that keeps a point of the original.
 *  @param txn  a read transaction
 *  @return 0; -ENOENT there is none */
int lineage_find(
	struct kt_txn *txn, const struct lineage_point *point, struct format_snapshot *ret_kept);

/** Note what the commit of a write transaction is like, and forget commits that no snapshot keeps.
 */
int lineage_note(struct kt_txn *txn, const struct lineage_point *point);

/** Forget what a commit is like. @param txn  a write transaction */
int lineage_forget(struct kt_txn *txn, uint64_t commit);

#endif
