/* lseek, fallocate and copy_file_range. */
#include "fs/ops/ops_internal.h"
#include "fs/dirty/dirty_file.h"
#include "fs/access/publish.h"
#include "fs/core.h"
#include "fs/ops/file.h"
#include "fs/access/lookup.h"
#include "fs/access/timepoint.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define PUNCHES (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)

/* Most bytes of one copy: the caller asks again for the rest. */
#define COPY_MAX ((size_t)16 * 1024 * 1024)
#define COPY_STEP ((size_t)1024 * 1024)

/* ---- holes ----------------------------------------------------------------------------------- */

/* The next stored range at or behind an offset. @return 0; -ENXIO there is none */
static int next_data(struct kt_txn *txn, const struct inode *node, const struct key *key,
	uint64_t offset, uint64_t *ret_begin, uint64_t *ret_end)
{
	if (node->dirty != NULL)
		return dirty_next_data(node->dirty, txn, key, offset, ret_begin, ret_end);
	return kt_next_data(txn, key->bytes, key->size, offset, ret_begin, ret_end);
}

static int seek_stored(struct fs *fs, struct kt_txn *txn, const struct inode *node, uint64_t offset,
	bool data, uint64_t *ret_offset)
{
	uint64_t begin, end;
	struct found found;
	int err = lookup_at_node(fs, txn, node, &found);

	if (err)
		return err;
	txn = kt_tree(txn, found.tree);
	if (offset >= found.known.size)
		return -ENXIO;
	err = next_data(txn, node, &found.key, offset, &begin, &end);
	if (data) {
		if (!err)
			*ret_offset = begin > offset ? begin : offset;
		return err;
	}
	while (!err && begin <= offset) {
		offset = end;
		err = next_data(txn, node, &found.key, offset, &begin, &end);
	}
	if (err && err != -ENXIO)
		return err;
	*ret_offset = offset < found.known.size ? offset : found.known.size;
	return 0;
}

int fs_lseek(struct fs *fs, struct fs_file *file, off_t offset, int whence, off_t *ret_offset)
{
	struct kt_txn *txn;
	uint64_t at = 0;
	int err;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return -EINVAL;
	if (offset < 0)
		return -ENXIO;
	err = query_begin(fs, &txn);
	if (err)
		return err;
	err = seek_stored(fs, txn, file->node, (uint64_t)offset, whence == SEEK_DATA, &at);
	query_end(fs, txn, 0);
	if (!err)
		*ret_offset = (off_t)at;
	return err == -ENOENT ? -ESTALE : err;
}

/* ---- allocate and punch ---------------------------------------------------------------------- */

/* The store cannot reserve room for one file. But a range that is larger than the free space
 * fails now, and not when it is written. */
static int check_room(struct fs *fs, uint64_t size)
{
	struct kt_store_info info;
	int err = kt_info(fs->store, &info);

	if (err)
		return err;
	return size / info.page_size > info.disk_free / info.page_size + info.free_pages ? -ENOSPC
											 : 0;
}

struct fallocate_op {
	struct fs *fs;
	struct kt_txn *txn;
	struct fs_file *file;
	int mode;
	uint64_t offset, size;
	struct found found;
};

static uint64_t fallocate_size(const struct fallocate_op *a)
{
	uint64_t end = a->offset + a->size;

	return (a->mode & FALLOC_FL_KEEP_SIZE) || end < a->found.known.size ? a->found.known.size
									    : end;
}

/* Change a value in the store. Content in memory is published first. */
static int fallocate_in_store(struct fallocate_op *a)
{
	const struct key *key = &a->found.key;
	const struct dirty_file *dirty = a->file->node->dirty;
	struct kt_txn *tree = kt_tree(a->txn, a->found.tree);
	uint64_t size = fallocate_size(a);
	int err = dirty != NULL ? publish_file(dirty, tree, key) : 0;

	if (!err && (a->mode & PUNCHES))
		err = kt_punch(tree, key->bytes, key->size, a->offset, a->size);
	if (!err && size != a->found.known.size)
		err = kt_truncate(tree, key->bytes, key->size, size);
	if (!err)
		err = kt_set_mtime(tree, key->bytes, key->size, core_now_ns());
	return err;
}

/* Allocate or punch, in the transaction. */
static int fallocate_in(struct fallocate_op *a)
{
	struct dirty_file *dirty = a->file->node->dirty;
	int err =
		a->file->stale ? -ESTALE : lookup_at_node(a->fs, a->txn, a->file->node, &a->found);

	if (err)
		return err == -ENOENT ? -ESTALE : err;
	if (dirty == NULL || !dirty->whole)
		return fallocate_in_store(a);
	if (a->mode & PUNCHES)
		err = dirty_punch(dirty, a->txn, a->offset, a->size);
	return err;
}

/* Change what is in memory, after the commit. */
static void fallocate_done(struct fallocate_op *a)
{
	struct inode *node = a->file->node;

	if (node->dirty == NULL || !node->dirty->whole) {
		dirty_drop(node);
		return;
	}
	dirty_resize(node->dirty, fallocate_size(a));
	a->file->unpublished = a->file->wrote = true;
}

int fs_fallocate(struct fs *fs, struct fs_file *file, int mode, off_t offset, off_t size)
{
	struct fallocate_op a = {.fs = fs, .file = file, .mode = mode};
	int err;

	if (!file_can_write(file))
		return -EBADF;
	if (mode & ~(PUNCHES | FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	if (offset < 0 || size <= 0)
		return -EINVAL;
	if (offset > INT64_MAX - size)
		return -EFBIG;
	a.offset = (uint64_t)offset;
	a.size = (uint64_t)size;
	if (!(mode & PUNCHES)) {
		err = check_room(fs, a.size);
		if (err)
			return err;
	}
	err = file_publish_aside(fs, file->node);
	if (!err)
		err = update_begin(fs, &a.txn);
	if (err)
		return err;
	err = fallocate_in(&a);
	err = update_commit(fs, a.txn, err);
	if (!err)
		fallocate_done(&a);
	return update_end(fs, err);
}

/* ---- copy ------------------------------------------------------------------------------------ */

int fs_copy(struct fs *fs, struct fs_file *from, off_t from_offset, struct fs_file *to,
	off_t to_offset, size_t size, size_t *ret_size)
{
	char *buf = malloc(COPY_STEP);
	size_t done = 0, got = 1;
	int err = buf != NULL ? 0 : -ENOMEM;

	size = size < COPY_MAX ? size : COPY_MAX;
	while (!err && done < size && got > 0) {
		size_t step = size - done < COPY_STEP ? size - done : COPY_STEP;

		err = fs_read(fs, from, from_offset + (off_t)done, buf, step, &got);
		if (!err && got > 0)
			err = fs_write(fs, to, to_offset + (off_t)done, buf, got);
		done += err ? 0 : got;
	}
	free(buf);
	if (err && done == 0)
		return err;
	*ret_size = done;
	return 0;
}
