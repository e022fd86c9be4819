/* Moving keys in the store, as a rename of a directory and an exchange do. */
#ifndef FS_OPS_MOVE_KEYS_H
#define FS_OPS_MOVE_KEYS_H

#include "fs/access/lookup.h"

/** Move one entry. It keeps the inode number it shows; what has no blob that can be decoded moves
 * as it is.
 *  @param tree  that it is in
 *  @param stat  what is known of it; NULL: it moves as it is
 *  @return 0; -ENOENT */
int move_keys_entry(struct kt_txn *tree, const struct kt_entry_info *stat, const struct key *from,
	const struct key *to);

/** Move all keys of a tree that begin with a prefix.
 *  @param txn  any tree of the transaction
 *  @param id   that they are in
 *  @return 0, also if there are none; -ENAMETOOLONG */
int move_keys_below(
	struct kt_txn *txn, enum kt_tree_id id, const struct key *from, const struct key *to);

/** Write the record of a directory that was renamed, so that it keeps its inode number and times.
 *  @param found  the directory where it was
 *  @param node   of the directory; NULL: none
 *  @param to     key of the record */
int move_keys_record(struct kt_txn *txn, const struct found *found, const struct inode *node,
	const struct key *to);

#endif
