/* Reading from open files. */
#include "fs/ops/file.h"
#include "fs/ops/ops_internal.h"
#include "fs/core.h"
#include "fs/dirty/dirty_file.h"

#include <errno.h>

int fs_read(
	struct fs *fs, struct fs_file *file, off_t offset, void *buf, size_t size, size_t *ret_read)
{
	const struct dirty_file *dirty;
	struct kt_txn *txn, *tree;
	struct key key;
	int err;

	if (!file_can_read(file))
		return -EBADF;
	if (offset < 0)
		return -EINVAL;
	err = query_begin(fs, &txn);
	if (err)
		return err;
	file->read = true;
	foreign_shown(fs, file->node);
	file->node->sent = 0; /* the client cache does not have it any more */
	dirty = file->node->dirty;
	tree = txn;
	if (dirty == NULL || !dirty->whole)
		err = inode_entry(fs->separator, file->node, txn, &tree, &key);
	if (!err && dirty != NULL)
		err = dirty_read(dirty, tree, &key, (uint64_t)offset, buf, size, ret_read);
	pthread_mutex_unlock(&fs->lock);
	/* the transaction still sees the value as it was under the lock */
	if (!err && dirty == NULL)
		err = kt_read(tree, key.bytes, key.size, (uint64_t)offset, buf, size, ret_read);
	kt_abort(txn);
	return err == -ENOENT ? -ESTALE : err;
}

bool fs_was_read(struct fs *fs, const struct fs_file *file)
{
	bool read;

	pthread_mutex_lock(&fs->lock);
	read = file->read;
	pthread_mutex_unlock(&fs->lock);
	return read;
}
