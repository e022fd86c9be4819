/* Writing to open files: into memory, or through to the store. */
#include "fs/ops/file.h"
#include "fs/ops/ops_internal.h"
#include "fs/access/publish.h"
#include "fs/core.h"
#include "fs/dirty/dirty_file.h"

#include <errno.h>

/** Writes from this size on go to the store directly: a copy in memory would gain nothing. */
#define WRITE_DIRECT_SIZE (512 * 1024)

/** An offset: the end of the file, when it is written. */
#define WRITE_AT_END UINT64_MAX

/* Find the offset of a write. @return 0; -EFBIG */
static int write_offset(struct fs *fs, struct kt_txn *txn, const struct fs_file *file, size_t size,
	uint64_t *offset)
{
	if (*offset == WRITE_AT_END) {
		struct kt_txn *own = NULL;
		struct found found;
		int err = txn ? 0 : timepoint_begin(fs, &own);

		if (!err)
			err = lookup_at_node(fs, txn ? txn : own, file->node, &found);
		kt_abort(own);
		if (err)
			return err == -ENOENT ? -ESTALE : err;
		*offset = found.known.size;
	}
	return *offset > INT64_MAX - size ? -EFBIG : 0;
}

/* Write to memory. @return 0; -EAGAIN the data goes through to the store, or memory has to be
 * emptied */
static int write_gathered(
	struct fs *fs, struct fs_file *file, uint64_t offset, const void *data, size_t size)
{
	struct inode *node = file->node;
	int err = write_offset(fs, NULL, file, size, &offset);
	bool begun = node->dirty == NULL;

	if (file->stale)
		return -ESTALE;
	if (err)
		return err;
	if (size >= WRITE_DIRECT_SIZE || (!begun && write_buffer_is_full(&node->dirty->buffer)))
		return -EAGAIN;
	if (begun)
		err = dirty_begin(fs, node, &node->dirty);
	if (!err)
		err = dirty_write(node->dirty, offset, data, size);
	if (err) {
		if (begun)
			dirty_drop(node);
		return err;
	}
	file->unpublished = true;
	file->wrote = true;
	if (!node->dirty->whole)
		flusher_expect_publish(fs);
	else
		flusher_expect_age(fs, node->dirty);
	return 0;
}

/* Write content in memory, and then the data, to the store. */
static int write_through(
	struct fs *fs, struct fs_file *file, uint64_t offset, const void *data, size_t size)
{
	struct inode *node = file->node;
	uint64_t nameless = 0;
	struct kt_txn *txn, *tree;
	struct key key;
	int err = update_begin(fs, &txn);

	if (err)
		return err;
	tree = txn;
	err = file->stale ? -ESTALE : write_offset(fs, txn, file, size, &offset);
	if (!err && node->dirty == NULL)
		err = dirty_begin(fs, node, &node->dirty);
	if (!err && !node->dirty->whole)
		err = inode_entry(fs->separator, node, txn, &tree, &key);
	if (!err) {
		dirty_stamp(node->dirty);
		err = publish_spill(node->dirty, tree, &key, offset, data, size, &nameless);
	}
	err = update_commit(fs, txn, err);
	if (!err && node->dirty->whole)
		dirty_spilled(node->dirty, nameless, offset, size);
	else if (node->dirty != NULL && !node->dirty->whole &&
		 (!err || node->dirty->buffer.count == 0))
		dirty_drop(node);
	if (!err) {
		if (node->dirty != NULL)
			flusher_expect_age(fs, node->dirty);
		file->unpublished = node->dirty != NULL;
		file->wrote = true;
	}
	return update_end(fs, err == -ENOENT ? -ESTALE : err);
}

static int write_at(
	struct fs *fs, struct fs_file *file, uint64_t offset, const void *data, size_t size)
{
	int err;

	if (!file_can_write(file))
		return -EBADF;
	if (size == 0)
		return 0;
	pthread_mutex_lock(&fs->lock);
	err = write_gathered(fs, file, offset, data, size);
	pthread_mutex_unlock(&fs->lock);
	if (err != -EAGAIN)
		return err;
	err = file_publish_aside(fs, file->node);
	return err ? err : write_through(fs, file, offset, data, size);
}

int fs_write(struct fs *fs, struct fs_file *file, off_t offset, const void *data, size_t size)
{
	return offset < 0 ? -EINVAL : write_at(fs, file, (uint64_t)offset, data, size);
}

int fs_append(struct fs *fs, struct fs_file *file, const void *data, size_t size)
{
	return write_at(fs, file, WRITE_AT_END, data, size);
}
