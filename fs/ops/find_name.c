/* lookup, and forget: references to nodes are given out and taken back. */
#include "fs/ops/ops_internal.h"
#include "fs/core.h"
#include "fs/ops/new_node.h"

#include <errno.h>
#include <malloc.h>

int fs_lookup(struct fs *fs, uint64_t parent, const char *name, struct fs_entry *ret_entry)
{
	struct target target;
	struct kt_txn *txn;
	struct found found;
	int err = query_begin(fs, &txn);

	if (err)
		return err;
	err = query_name(fs, txn, parent, name, &target, &found);
	if (err == -ENOENT)
		foreign_name_missing(fs, parent, name);
	if (!err)
		err = new_node_give_at(fs, &target.place, &found, ret_entry);
	return query_end(fs, txn, err);
}

int fs_root(struct fs *fs, struct fs_entry *ret_entry)
{
	struct query query;
	int err = query_node(fs, FS_ROOT, &query);

	if (err)
		return err;
	new_node_give(fs, query.node, &query.found, ret_entry);
	return query_end(fs, query.txn, 0);
}

/* A node takes hundreds of bytes. After a walk through millions of files, freed memory goes
 * back to the system and does not stay in the allocator. */
void fs_forget(struct fs *fs, uint64_t number, uint64_t count)
{
	struct inode *node;
	bool trim;

	pthread_mutex_lock(&fs->lock);
	node = inodes_by_number(&fs->nodes, number);
	if (node != NULL) {
		node->lookups -= count < node->lookups ? count : node->lookups;
		inodes_tidy(&fs->nodes, node);
	}
	trim = inodes_are_few(&fs->nodes);
	pthread_mutex_unlock(&fs->lock);
	if (trim)
		malloc_trim(0);
}
