/* What operations ask of the store. See query.h. */
#include "fs/ops/query.h"

#include "fs/core.h"

#include <errno.h>

int query_begin(struct fs *fs, struct kt_txn **ret_txn)
{
	int err;

	pthread_mutex_lock(&fs->lock);
	err = timepoint_begin(fs, ret_txn);
	if (err)
		pthread_mutex_unlock(&fs->lock);
	return err;
}

int query_end(struct fs *fs, struct kt_txn *txn, int err)
{
	kt_abort(txn);
	pthread_mutex_unlock(&fs->lock);
	return err;
}

int query_node(struct fs *fs, uint64_t number, struct query *ret_query)
{
	int err = query_begin(fs, &ret_query->txn);

	if (err)
		return err;
	err = lookup_node(fs, number, &ret_query->node);
	if (!err)
		foreign_shown(fs, ret_query->node);
	if (!err)
		err = lookup_at_node(fs, ret_query->txn, ret_query->node, &ret_query->found);
	return err ? query_end(fs, ret_query->txn, err) : 0;
}

int query_name(struct fs *fs, struct kt_txn *txn, uint64_t parent, const char *name,
	struct target *ret_target, struct found *ret_found)
{
	int err = lookup_target(fs, parent, name, ret_target);

	if (err)
		return err == -EINVAL ? -ENOENT : err;
	return lookup_at_target(fs, txn, ret_target, ret_found);
}

int query_unclaimed(struct fs *fs, const struct target *target)
{
	struct place file = target->place;
	struct key key;
	int err;

	file.kind = INODE_FILE;
	err = place_key(fs->separator, &file, &key);
	if (!err && kt_is_claimed(fs->store, kt_claim_of(key.bytes, key.size)))
		err = -EEXIST;
	return err;
}

int query_free_name(struct fs *fs, struct kt_txn *txn, uint64_t parent, const char *name,
	struct target *ret_target)
{
	struct found found;
	int err = lookup_target(fs, parent, name, ret_target);

	if (err)
		return err;
	err = lookup_at_target(fs, txn, ret_target, &found);
	return err == -ENOENT ? query_unclaimed(fs, ret_target) : err ? err : -EEXIST;
}
