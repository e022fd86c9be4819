/* What operations ask before they answer or change anything: a read transaction with the lock, and
 * what a node or a name stands for.
 *
 *     err = query_node(fs, number, &query);   the lock, a transaction, the node, what is there
 *     if (err)
 *             return err;
 *     ... look ...
 *     return query_end(fs, query.txn, err);   gives both back
 */
#ifndef FS_OPS_QUERY_H
#define FS_OPS_QUERY_H

#include "fs/access/lookup.h"

/** A node that was asked for, and what is there. */
struct query {
	struct kt_txn *txn;
	struct inode *node;
	struct found found;
};

/** Take the lock and begin a read transaction. On failure nothing is held. */
int query_begin(struct fs *fs, struct kt_txn **ret_txn);

/** End the transaction and give back the lock. @return err */
int query_end(struct fs *fs, struct kt_txn *txn, int err);

/** Begin, and find a node by number. On failure nothing is held.
 *  @param ret_query  its transaction ends with query_end()
 *  @return as lookup_node() and lookup_at_node() */
int query_node(struct fs *fs, uint64_t number, struct query *ret_query);

/** Find a name in a directory, and what is there. The lock is held.
 *  @param txn         any transaction
 *  @param ret_target  do not copy it: it points into itself
 *  @return as lookup_target() and lookup_at_target(); -ENOENT also if nothing can have the name */
int query_name(struct fs *fs, struct kt_txn *txn, uint64_t parent, const char *name,
	struct target *ret_target, struct found *ret_found);

/** Is a free name claimed by another mount, where a file of that name was created with O_EXCL and is
 *  not stored yet?
 *  @param target  a file of the name would have its place
 *  @return 0 it is not; -EEXIST; as place_key() */
int query_unclaimed(struct fs *fs, const struct target *target);

/** Find the place for a new name. The lock is held.
 *  @return 0; -EEXIST; and as lookup_target() */
int query_free_name(struct fs *fs, struct kt_txn *txn, uint64_t parent, const char *name,
	struct target *ret_target);

#endif
