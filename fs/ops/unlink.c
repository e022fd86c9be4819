/* unlink and rmdir. */
#include "fs/core.h"
#include "fs/ops/ops_internal.h"
#include "fs/ops/remove.h"
#include "fs/access/dir_record.h"

#include <errno.h>

/* Take the place from the node of a directory that was removed. */
static void unlink_dir_node(struct fs *fs, const struct place *place, const struct found *found)
{
	struct inode *node = inodes_find(&fs->nodes, place);

	if (node != NULL && node->lookups > 0)
		lookup_keep(node, found);
	inodes_detach(&fs->nodes, node);
	inodes_tidy(&fs->nodes, node);
}

/* Remove a name.
 * @param directory  the name is expected to be a directory's; else a file's */
static int unlink_name(struct fs *fs, uint64_t parent, const char *name, bool directory)
{
	struct removal removal = {0};
	struct target target;
	struct found found;
	struct kt_txn *txn;
	int err = update_begin(fs, &txn);

	if (err)
		return err;
	err = query_name(fs, txn, parent, name, &target, &found);
	if (!err && directory != (found.kind != INODE_FILE))
		err = directory ? -ENOTDIR : -EISDIR;
	if (!err && directory)
		err = remove_directory(fs, txn, &target.place, &found.key);
	else if (!err)
		err = remove_file(fs, txn, &target.place, &found, false, &removal);
	if (!err)
		err = dir_record_keep(fs, txn, target.directory);
	err = update_commit(fs, txn, err);
	remove_end(fs, &removal, err);
	if (!err && directory)
		unlink_dir_node(fs, &target.place, &found);
	if (!err)
		flusher_touch(fs, target.directory);
	return update_end(fs, err);
}

int fs_unlink(struct fs *fs, uint64_t parent, const char *name)
{
	return unlink_name(fs, parent, name, false);
}

int fs_rmdir(struct fs *fs, uint64_t parent, const char *name)
{
	return unlink_name(fs, parent, name, true);
}
